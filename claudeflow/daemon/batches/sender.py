"""The API of batches as the daemon sees it, and the pace at which it is asked."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, Protocol

from claudeflow.daemon.shared import Shared
from claudeflow.domain.attempt import Rejected, Reply
from claudeflow.domain.batch import BatchTrouble, ItemResult, RemoteBatch
from claudeflow.policy.batching.quota import BatchQuota


class BatchSender(Protocol):
    """Asks the API. Failures are values; only the results raise `ResultsBroken`."""

    async def create(self, body: bytes) -> RemoteBatch | BatchTrouble:
        """Hand over a batch."""
        ...

    async def retrieve(self, batch_id: str) -> RemoteBatch | BatchTrouble:
        """How far a batch is."""
        ...

    async def recent(self, since_ms: int) -> list[RemoteBatch] | BatchTrouble:
        """The batches that were created since then, newest first."""
        ...

    async def cancel(self, batch_id: str) -> RemoteBatch | BatchTrouble:
        """Ask the API to stop a batch."""
        ...

    def results(self, batch_id: str, *, pass_over: bool = False) -> AsyncGenerator[ItemResult, None]:
        """The results of a batch that has ended, each as soon as it is here.

        With `pass_over` lines that cannot be used are left out, else they break them off.
        """
        ...

    def reply_of(self, item: ItemResult, *, schema: Mapping[str, Any] | None, caches_for_1h: bool) -> Reply:
        """What one result means."""
        ...


class BatchPace:
    """Whether the API may be asked about batches now. Trouble pauses all of it."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._quota = BatchQuota(shared.config.batches, shared.clock.monotonic())
        self._on_pause: Callable[[], None] = lambda: None
        self._until_ms = 0

    def on_pause(self, told: Callable[[], None]) -> None:
        """Tell somebody whenever the API wanted to be left alone."""
        self._on_pause = told

    def wait_s(self) -> float:
        """In how many seconds a request may go; 0: at once."""
        now = self._shared.clock.monotonic()
        self._quota.reconfigure(self._shared.config.batches, now)
        return self._quota.may_call(now)

    def called(self) -> None:
        """A request goes out."""
        self._quota.called(self._shared.clock.monotonic())

    def heard(self, answer: object) -> None:
        """What came of it: after trouble nobody asks for a while.

        A refusal of the one request is no trouble: the API does what it is there for.
        """
        if not isinstance(answer, BatchTrouble) or isinstance(answer.failure, Rejected):
            self._quota.answered()
            return
        retry_after_s = getattr(answer.failure, "retry_after_s", None)
        clock = self._shared.clock
        pause_s = self._quota.troubled(retry_after_s, clock.monotonic(), clock.chance())
        self._until_ms = clock.epoch_ms() + round(1000 * pause_s)
        if retry_after_s:
            self._on_pause()

    def room(self, unfinished: int) -> int:
        """How many more requests may go out while batches hold `unfinished`."""
        return self._quota.room(unfinished)

    def memory(self) -> int:
        """Until when nobody may ask (epoch ms), for whoever starts after us."""
        return self._until_ms

    def recall(self, memory: object) -> None:
        """What an earlier process was told to wait for holds for us."""
        clock = self._shared.clock
        self._until_ms = memory if isinstance(memory, int) else 0
        self._quota.stay_paused(max(0, self._until_ms - clock.epoch_ms()) / 1000, clock.monotonic())
