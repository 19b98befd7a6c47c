"""Flow: the queued jobs of one workflow and model in one lane.

Only a window of them is in memory: the first ones in order of priority, then age. Every due job up
to the rank `_shown_to` is in it, so the window's head is the flow's, whatever arrives or returns.

While the store is read for a refill, jobs come and go that this reading may or may not have seen.
Those that came are put aside until it is there, those that went are not shown by it again.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from claudeflow.domain.job import Candidate, JobId

WINDOW = 128
REFILL_BELOW = 32
LARGEST_WINDOW = 4 * WINDOW
"""Jobs that precede the window's last one enter it; beyond this many the rear is left to the store again."""


@dataclass(frozen=True, slots=True)
class FlowKey:
    """Whose jobs these are."""

    lane: str
    workflow: str
    model: str


Rank = tuple[float, int]
BEFORE_ALL: Rank = (-math.inf, 0)


def rank(candidate: Candidate) -> Rank:
    """The order within a flow: priority first, then age."""
    return (-candidate.priority, candidate.id)


@dataclass(frozen=True, slots=True)
class _Meanwhile:
    """What happened while the store is being read."""

    came: dict[JobId, Candidate] = field(default_factory=dict)
    went: set[JobId] = field(default_factory=set)


class Flow:
    """A window on a flow's due jobs, in order. `complete` says that it shows all of them."""

    def __init__(self, key: FlowKey) -> None:
        self.key = key
        self.complete = True
        self._heap: list[Rank] = []
        self._known: dict[JobId, Candidate] = {}
        self._shown_to = BEFORE_ALL
        self._meanwhile: _Meanwhile | None = None

    def __len__(self) -> int:
        return len(self._known)

    @property
    def wants_refill(self) -> bool:
        """True when the store holds jobs that the window should show."""
        return not self.complete and len(self._known) < REFILL_BELOW

    def head(self) -> Candidate | None:
        """The next job of this flow, as far as the window shows."""
        while self._heap:
            candidate = self._known.get(JobId(self._heap[0][1]))
            if candidate is not None:
                return candidate
            heapq.heappop(self._heap)
        return None

    def arrive(self, candidate: Candidate) -> None:
        """A job became due. It enters the window unless jobs outside of it go first."""
        if (self.complete and len(self._known) < WINDOW) or rank(candidate) <= self._shown_to:
            self._show(candidate)
            if len(self._known) > LARGEST_WINDOW and self._meanwhile is None:
                self._trim()
        elif self._meanwhile is not None:
            self._meanwhile.came[candidate.id] = candidate
        else:
            self.complete = False

    def leave(self, job_id: JobId) -> None:
        """A job is claimed or no longer queued."""
        self._known.pop(job_id, None)
        if self._meanwhile is not None:
            self._meanwhile.came.pop(job_id, None)
            self._meanwhile.went.add(job_id)

    def begin_refill(self) -> None:
        """The store is about to be read."""
        self.complete = False
        self._meanwhile = _Meanwhile()

    def refill(self, candidates: Iterable[Candidate], *, all_there_is: bool) -> None:
        """Show what the store named; `all_there_is` says that it held no more than these."""
        meanwhile = self._meanwhile or _Meanwhile()
        self._meanwhile = None
        for candidate in candidates:
            if candidate.id not in meanwhile.went:
                self._show(candidate)
        self.complete = all_there_is
        for candidate in sorted(meanwhile.came.values(), key=rank):
            self.arrive(candidate)

    def _show(self, candidate: Candidate) -> None:
        if candidate.id in self._known:
            return
        self._known[candidate.id] = candidate
        self._shown_to = max(self._shown_to, rank(candidate))
        heapq.heappush(self._heap, rank(candidate))

    def _trim(self) -> None:
        first = heapq.nsmallest(WINDOW, self._known.values(), key=rank)
        self._known = {candidate.id: candidate for candidate in first}
        self._heap = [rank(candidate) for candidate in first]
        self._shown_to = self._heap[-1]
        self.complete = False
