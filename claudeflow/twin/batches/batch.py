"""One batch: its requests until they are answered, and their results from then on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from claudeflow.twin.batches.strikes import Strike
from claudeflow.twin.billing import InvoiceLine
from claudeflow.twin.cache import CachePlan
from claudeflow.twin.wire import Visit

PROCESSING, SUCCEEDED, ERRORED, CANCELED, EXPIRED = range(5)
ENDINGS = ("processing", "succeeded", "errored", "canceled", "expired")
"""The names of the five numbers above, as `request_counts` has them."""


@dataclass(frozen=True, slots=True)
class Work:
    """What will have become of one request when its wave ends. Only one that succeeds has a bill."""

    index: int
    ending: int
    content: bytes = b""
    plan: CachePlan | None = None
    line: InvoiceLine | None = None


@dataclass(slots=True, eq=False)
class Batch:
    """A batch, created by `visit`. All times are monotonic seconds.

    A request's place in `contents` is its params as JSON until it is answered, then its message or its
    error, so that 100,000 requests take little more memory than their bytes. The first `begun` requests
    are answered, or in work in the wave that is out.
    """

    visit: Visit
    headers: Mapping[str, str]
    custom_ids: list[str]
    contents: list[bytes]
    strike: Strike
    endings: bytearray = field(init=False)
    begun: int = field(default=0, init=False)
    wave: list[Work] = field(default_factory=list, init=False)
    canceled_at: float | None = field(default=None, init=False)
    ended_at: float | None = field(default=None, init=False)
    archived_at: float | None = field(default=None, init=False)
    cost_nanousd: int = field(default=0, init=False)
    cache_writes: int = field(default=0, init=False)
    cache_reads: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.endings = bytearray(len(self.custom_ids))

    @property
    def id(self) -> str:
        """Its id, as long as the API's."""
        return f"msgbatch_01BT{self.visit.request_id[8:]}"

    def item_id(self, index: int) -> str:
        """What the ids of a request's message or error have in common."""
        return f"01B{self.visit.request_id[8:16]}{self.visit.request_id[-7:]}{index:06d}"

    @property
    def workspace(self) -> str:
        """The workspace to which it belongs: only there it can be seen."""
        return self.headers.get("anthropic-workspace-id", "")

    @property
    def created_at(self) -> float:
        """When it was created."""
        return self.visit.now

    @property
    def status(self) -> str:
        """The API's word for how far it is."""
        if self.ended_at is not None:
            return "ended"
        return "in_progress" if self.canceled_at is None else "canceling"

    @property
    def unfinished(self) -> int:
        """Requests that wait or are in work."""
        return len(self.custom_ids) - self.begun + len(self.wave)

    def progress(self) -> dict[str, int]:
        """Requests by how they stand now."""
        return {name: self.endings.count(code) for code, name in enumerate(ENDINGS)}

    def told_progress(self) -> dict[str, int]:
        """Requests as the API tells: until the batch has ended all of them are being processed."""
        if self.ended_at is not None:
            return self.progress()
        return {**dict.fromkeys(ENDINGS, 0), "processing": len(self.custom_ids)}

    def settle(self, index: int, ending: int, content: bytes = b"") -> None:
        """A request has ended; its params are forgotten."""
        self.endings[index] = ending
        self.contents[index] = content

    def give_up(self, ending: int) -> None:
        """Everything that was not begun ends so."""
        for index in range(self.begun, len(self.custom_ids)):
            self.settle(index, ending)
        self.begun = len(self.custom_ids)

    def end(self, now: float) -> None:
        """All requests have ended."""
        if self.ended_at is None:
            self.ended_at = now

    def archive(self, now: float) -> None:
        """Its results are forgotten, and it remains."""
        self.archived_at = now
        self.contents = []
