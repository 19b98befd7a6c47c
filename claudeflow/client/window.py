"""Window: which jobs of a `map` are taken, under way and ended. Bounded, whatever the source is."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from claudeflow.client.values import Mapped, Progress

MOST_IN_CHUNK = 100
MOST_CHUNK_BYTES = 4 * 1024 * 1024

End = int | Exception
"""How an item ended: the id of its job, which has the answer, or why there is no job."""


@dataclass(frozen=True, slots=True)
class Item:
    """One of what is mapped: its place, what was asked for, and that as a line for the daemon."""

    index: int
    fields: Mapping[str, Any]
    line: bytes


class Window:
    """At most `in_flight` items are taken from the source and not given back yet."""

    def __init__(self, in_flight: int, *, ordered: bool, progress: Callable[[Progress], None] | None) -> None:
        if in_flight < 1:
            raise ValueError(f"in_flight must be at least 1, found {in_flight}")
        self._in_flight = in_flight
        self._ordered = ordered
        self._progress = progress or (lambda _: None)
        self._next: deque[Item] = deque()
        self._under_way: dict[int, list[Item]] = {}
        self._ended: dict[int, tuple[Item, End]] = {}
        self._to_check: dict[int, None] = {}
        self._taken = self._given = self._failed = self._jobs_under_way = 0
        self._chunk_jobs = MOST_IN_CHUNK
        self.source_is_dry = False

    @property
    def has_room(self) -> bool:
        """Whether another item may be taken."""
        return not self.source_is_dry and self._taken - self._given < self._in_flight

    @property
    def holds(self) -> int:
        """How many items it holds, wherever they stand."""
        return len(self._next) + self._jobs_under_way + len(self._ended)

    @property
    def is_low(self) -> bool:
        """Whether it is time to take more: jobs go in by the handful, not one for each that has ended."""
        room = self._in_flight - (self._taken - self._given)
        return self.has_room and (room >= max(1, self._in_flight // 4) or not self.waits)

    @property
    def is_done(self) -> bool:
        """Whether all has been given."""
        return self.source_is_dry and self._taken == self._given

    @property
    def waits(self) -> bool:
        """Whether jobs are under way."""
        return bool(self._under_way)

    def take(self, fields: Mapping[str, Any], encode: Callable[[Mapping[str, Any]], bytes]) -> None:
        """One more item. What is no JSON has ended at once."""
        index, self._taken = self._taken, self._taken + 1
        try:
            self._next.append(Item(index, fields, encode(fields) + b"\n"))
        except (TypeError, ValueError) as error:
            self._ended[index] = Item(index, fields, b""), error

    @property
    def chunk_is_full(self) -> bool:
        """Whether what was taken is enough for one request."""
        return len(self._next) >= self._chunk_jobs

    def chunk(self) -> list[Item]:
        """The next few items, for one request."""
        found: list[Item] = []
        size = 0
        while self._next and len(found) < self._chunk_jobs:
            size += len(self._next[0].line)
            if found and size > MOST_CHUNK_BYTES:
                break
            found.append(self._next.popleft())
        return found

    def put_back(self, chunk: Sequence[Item], *, halve: bool) -> None:
        """These were not stored, and are to be sent again; in smaller requests if they were too many."""
        self._next.extendleft(reversed(chunk))
        if halve:
            self._chunk_jobs = max(1, len(chunk) // 2)

    def stored(self, chunk: Sequence[Item], ids: Sequence[int], *, check: bool) -> None:
        """These are jobs now. `check`: some are not new, and may have ended before."""
        for item, job_id in zip(chunk, ids, strict=True):
            self.moves(item, job_id)
        if check:
            self._to_check |= dict.fromkeys(ids)
        self._chunk_jobs = min(2 * self._chunk_jobs, MOST_IN_CHUNK)
        self._tell()

    def refused(self, item: Item, error: Exception) -> None:
        """This is no job."""
        self._ended[item.index] = item, error

    def settled(self, job_id: int) -> bool:
        """A job will not move by itself any more. Whether it is one of ours."""
        items = self._under_way.pop(job_id, [])
        self._jobs_under_way -= len(items)
        self._ended |= {item.index: (item, job_id) for item in items}
        return bool(items)

    def moves(self, item: Item, job_id: int) -> None:
        """The job of an item is under way, for the first time or again."""
        self._jobs_under_way += 1
        self._under_way.setdefault(job_id, []).append(item)

    def check(self, ids: Iterable[int] | None = None) -> None:
        """Some, or all, of those under way may have ended unheard."""
        self._to_check |= dict.fromkeys(self._under_way if ids is None else ids)

    def oldest(self, most: int) -> list[int]:
        """The jobs that are under way for the longest time."""
        return [job_id for _, job_id in zip(range(most), self._under_way, strict=False)]

    def next_to_check(self) -> int | None:
        """A job that may have ended unheard."""
        while self._to_check:
            job_id = next(iter(self._to_check))
            del self._to_check[job_id]
            if job_id in self._under_way:
                return job_id
        return None

    def next_ended(self) -> tuple[Item, End] | None:
        """The next item whose result may be given."""
        index = self._given if self._ordered else next(iter(self._ended), None)
        return None if index is None else self._ended.pop(index, None)

    def give(self, result: Mapped) -> Mapped:
        """A result is on its way to whoever maps."""
        self._given += 1
        self._failed += not result.ok
        self._tell()
        return result

    def _tell(self) -> None:
        self._progress(Progress(self._taken, self._jobs_under_way, self._given, self._failed))
