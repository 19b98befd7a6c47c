"""Flow: the queued jobs of one workflow and model in one lane.

Only a window of them is in memory: the first ones in order of priority, deadline and age. Every due
job up to the rank `_shown_to` is in it, so the window's head is the flow's, whatever arrives or returns.

While the store is read for a refill, jobs come and go that this reading may or may not have seen.
Those that came are put aside until it is there, those that went are not shown by it again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from claudeflow.domain.job import Candidate, JobId
from claudeflow.policy.lanes.lines import BEFORE_ALL, Lines, rank

WINDOW = 128
REFILL_BELOW = 32
LARGEST_WINDOW = 4 * WINDOW
"""Jobs that precede the window's last one enter it; beyond this many the rear is left to the store again."""

MOST_ASIDE = 4_096
"""Jobs that each must wait for a reason of their own: the window reaches behind so many of them."""


class FlowKey(NamedTuple):
    """Whose jobs these are."""

    lane: str
    workflow: str
    model: str


def key_of(candidate: Candidate) -> FlowKey:
    """The flow that a job belongs to."""
    return FlowKey(candidate.lane, candidate.workflow, candidate.model)


@dataclass(frozen=True, slots=True)
class _Meanwhile:
    """What happened while the store is being read."""

    came: dict[JobId, Candidate] = field(default_factory=dict)
    went: set[JobId] = field(default_factory=set)


class Flow:
    """A window on a flow's due jobs, in order. `complete` says that it shows all of them."""

    __slots__ = ("_meanwhile", "_shown_to", "complete", "key", "lines")

    def __init__(self, key: FlowKey) -> None:
        self.key = key
        self.complete = True
        self.lines = Lines()
        self._shown_to = BEFORE_ALL
        self._meanwhile: _Meanwhile | None = None

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def wants_refill(self) -> bool:
        """True when the store holds jobs that the window should show."""
        return not self.complete and self._in_sight < REFILL_BELOW and self.lines.aside < MOST_ASIDE

    @property
    def rows_to_read(self) -> int:
        """How many of its first due jobs the store is to name: those set aside are among them."""
        return WINDOW + self.lines.aside

    def head(self) -> Candidate | None:
        """The next job of this flow, as far as the window shows and as it need not wait."""
        return self.lines.first()

    def arrive(self, candidate: Candidate) -> list[JobId]:
        """A job became due. It enters the window unless jobs outside of it go first.

        Returns the jobs that the window left to the store in turn.
        """
        if (self.complete and self._has_room) or rank(candidate) <= self._shown_to:
            self._show(candidate)
            if self._in_sight > LARGEST_WINDOW and self._meanwhile is None:
                return self._trim()
        elif self._meanwhile is not None:
            self._meanwhile.came[candidate.id] = candidate
        else:
            self.complete = False
        return []

    def leave(self, job_id: JobId) -> None:
        """A job is no longer queued."""
        self.lines.remove(job_id)
        self._note_left(job_id)

    def served(self, candidate: Candidate) -> None:
        """A job goes out."""
        self.lines.served(candidate)
        self._note_left(candidate.id)

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

    @property
    def _in_sight(self) -> int:
        return len(self.lines) - self.lines.aside

    @property
    def _has_room(self) -> bool:
        return self._in_sight < WINDOW and self.lines.aside < MOST_ASIDE

    def _note_left(self, job_id: JobId) -> None:
        if self._meanwhile is not None:
            self._meanwhile.came.pop(job_id, None)
            self._meanwhile.went.add(job_id)

    def _show(self, candidate: Candidate) -> None:
        if candidate.id not in self.lines:
            self._shown_to = max(self._shown_to, rank(candidate))
            self.lines.add(candidate)

    def _trim(self) -> list[JobId]:
        self._shown_to, dropped = self.lines.keep_first(self.rows_to_read)
        self.complete = False
        return dropped
