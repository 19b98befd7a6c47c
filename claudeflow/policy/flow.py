"""Flow: the queued jobs of one workflow and model in one lane.

Only a window of them is in memory: the first ones in order of priority, then age. `total` counts
all that are due, so the flow knows when the store has more.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass

from claudeflow.domain.job import Candidate, JobId

WINDOW = 128
REFILL_BELOW = 32


@dataclass(frozen=True, slots=True)
class FlowKey:
    """Whose jobs these are."""

    lane: str
    workflow: str
    model: str


Rank = tuple[int, int]


def rank(candidate: Candidate) -> Rank:
    """The order within a flow: priority first, then age."""
    return (-candidate.priority, candidate.id)


class Flow:
    """A window on a flow's due jobs, in order."""

    def __init__(self, key: FlowKey) -> None:
        self.key = key
        self.total = 0
        self._heap: list[Rank] = []
        self._known: dict[JobId, Candidate] = {}

    def __len__(self) -> int:
        return len(self._known)

    @property
    def wants_refill(self) -> bool:
        """True when the store holds jobs that the window should show."""
        return len(self._known) < REFILL_BELOW and self.total > len(self._known)

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
        complete = self.total == len(self._known)
        self.total += 1
        if (complete and len(self._known) < WINDOW) or self._precedes_some(candidate):
            self._show(candidate)

    def leave(self, job_id: JobId) -> None:
        """A job is claimed or no longer queued."""
        self._known.pop(job_id, None)
        self.total = max(0, self.total - 1)

    def refill(self, candidates: Iterable[Candidate], *, all_there_is: bool) -> None:
        """Show what the store named; `all_there_is` says that it holds no more than these."""
        for candidate in candidates:
            if candidate.id not in self._known:
                self._show(candidate)
        if all_there_is:
            self.total = len(self._known)

    def _precedes_some(self, candidate: Candidate) -> bool:
        worst = max(map(rank, self._known.values()), default=None) if candidate.priority > 0 else None
        return worst is not None and rank(candidate) < worst

    def _show(self, candidate: Candidate) -> None:
        self._known[candidate.id] = candidate
        heapq.heappush(self._heap, rank(candidate))
