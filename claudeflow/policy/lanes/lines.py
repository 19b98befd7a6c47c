"""Lines: the jobs in a flow's window, a line for each prefix, so that one that must wait stops no other."""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import closing

from claudeflow.domain.job import Candidate, JobId
from claudeflow.policy.caching.paths import keys_of
from claudeflow.policy.lanes.ranking import Ranking

LONGEST_RUN = 16
"""Jobs of one prefix that may go ahead of older ones, because their prefix is warm."""

Rank = tuple[float, float, int]
BEFORE_ALL: Rank = (-math.inf, -math.inf, 0)


def rank(candidate: Candidate) -> Rank:
    """The order within a workflow: priority, then the earliest deadline, then age."""
    deadline = math.inf if candidate.deadline_ms is None else float(candidate.deadline_ms)
    return (-candidate.priority, deadline, candidate.id)


class Lines:
    """Jobs by rank, in lines by prefix. Lines and single jobs can be set aside and let back in."""

    __slots__ = ("_aside", "_known", "_lines", "_order", "_parked", "_run", "_run_length")

    def __init__(self) -> None:
        self._known: dict[JobId, Candidate] = {}
        self._lines: dict[str | None, Ranking[JobId, Rank]] = {}
        self._order: Ranking[str | None, Rank] = Ranking()
        self._parked: set[str | None] = set()
        self._aside: dict[JobId, Candidate] = {}
        self._run: str | None = None
        self._run_length = 0

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, job_id: JobId) -> bool:
        return job_id in self._known

    @property
    def aside(self) -> int:
        """How many single jobs are set aside."""
        return len(self._aside)

    def add(self, candidate: Candidate) -> None:
        """One more job."""
        self._known[candidate.id] = candidate
        line = self._lines.get(candidate.prefix)
        if line is None:
            line = self._lines[candidate.prefix] = Ranking()
        line.place(candidate.id, rank(candidate))
        self._settle(candidate.prefix)

    def remove(self, job_id: JobId) -> bool:
        """A job is there no more; whether it was."""
        candidate = self._known.pop(job_id, None)
        if candidate is None:
            return False
        self._aside.pop(job_id, None)
        self._leave_line(candidate)
        return True

    def served(self, candidate: Candidate) -> None:
        """The job goes: those behind it in its line may follow for a while, whatever is older."""
        run_on = candidate.prefix is not None and candidate.prefix == self._run
        self._run_length = self._run_length + 1 if run_on else 1
        self._run = candidate.prefix
        self.remove(candidate.id)

    def first(self) -> Candidate | None:
        """The job to go next among those that are not set aside."""
        prefix = self._order.first()
        best = self._order.rank_of(prefix)
        if best is None:
            return None
        if self._run is not None and self._run_length < LONGEST_RUN:
            ours = self._order.rank_of(self._run)
            if ours is not None and ours[:2] == best[:2]:
                prefix = self._run
        job_id = self._lines[prefix].first()
        assert job_id is not None
        return self._known[job_id]

    def has_another(self, candidate: Candidate) -> bool:
        """Whether another job of the same path is here."""
        line = self._lines.get(candidate.prefix)
        return line is not None and len(line) > (candidate.id in line)

    def in_line(self, prefix: str | None) -> Generator[Candidate]:
        """The jobs of this path that are not set aside, in order, be their line parked or not."""
        line = self._lines.get(prefix)
        if line is None:
            return
        with closing(line.in_order()) as ranked:
            for job_id in ranked:
                yield self._known[job_id]

    def is_aside(self, job_id: JobId) -> bool:
        """Whether this one must wait for a reason of its own."""
        return job_id in self._aside

    def park(self, prefix: str | None) -> None:
        """The jobs of this path, or of any path with this hash, must wait."""
        self._parked.add(prefix)
        for path in self._sharing(prefix):
            self._order.drop(path)

    def free(self, prefix: str | None) -> None:
        """They need wait no more."""
        self._parked.discard(prefix)
        for path in self._sharing(prefix):
            self._settle(path)

    def set_aside(self, candidate: Candidate) -> None:
        """This one job must wait."""
        self._aside[candidate.id] = candidate
        self._leave_line(candidate)

    def let_in(self, job_id: JobId) -> None:
        """It need wait no more."""
        candidate = self._aside.pop(job_id, None)
        if candidate is not None:
            self.add(candidate)

    def keep_first(self, how_many: int) -> tuple[Rank, list[JobId]]:
        """Forget all but the first jobs: the last one's rank, and who was dropped."""
        ranked = sorted(self._known.values(), key=rank)
        dropped = [candidate.id for candidate in ranked[how_many:]]
        for job_id in dropped:
            self.remove(job_id)
        return rank(ranked[how_many - 1]), dropped

    def _leave_line(self, candidate: Candidate) -> None:
        """A line of which every job is set aside is no line."""
        line = self._lines.get(candidate.prefix)
        if line is not None:
            line.drop(candidate.id)
            self._settle(candidate.prefix)

    def _sharing(self, prefix: str | None) -> list[str | None]:
        return [path for path in self._lines if path == prefix or prefix in keys_of(path)]

    def _waits(self, path: str | None) -> bool:
        return bool(self._parked) and (path in self._parked or not self._parked.isdisjoint(keys_of(path)))

    def _settle(self, prefix: str | None) -> None:
        """Put the line where its first job belongs."""
        line = self._lines.get(prefix)
        first = line.first() if line is not None else None
        ranked = line.rank_of(first) if line is not None and first is not None else None
        if ranked is None:
            self._lines.pop(prefix, None)
            self._order.drop(prefix)
        elif not self._waits(prefix) and self._order.rank_of(prefix) != ranked:
            self._order.place(prefix, ranked)
