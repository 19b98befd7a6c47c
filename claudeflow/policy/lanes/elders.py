"""Elders: who waits longest, and the tenth of the service that is theirs.

Shares by weight alone may leave a light lane, or a low priority, with next to nothing. So a tenth
of all service goes to whoever waits longest, in the pool and within each workflow; what they get in
their ordinary turn counts.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

from claudeflow.domain.job import Candidate, JobId
from claudeflow.policy.lanes.ranking import Ranking
from claudeflow.policy.lanes.settings import LaneSettings

SHARE = 0.1
"""Of all service, by worth."""
EVERY = round(1 / SHARE) - 1
"""After so many jobs of a workflow, whatever their priority, one is its eldest."""
MOST_CREDIT = 2.0
"""How many jobs of usual worth may be owed to them."""
MEMORY = 0.1
"""Weight of the newest job in the usual worth."""


Place = tuple[str, str]
"""Lane and workflow."""


class Elders:
    """Waiting jobs by age. Who is furthest beyond the `max_wait_s` of its lane goes first."""

    def __init__(self, lanes: Mapping[str, LaneSettings]) -> None:
        self._settings = lanes
        self._known: dict[JobId, Candidate] = {}
        self._jobs: defaultdict[Place, Ranking[JobId, int]] = defaultdict(Ranking)
        self._places: Ranking[Place, float] = Ranking()
        self._parked: defaultdict[str, set[Place]] = defaultdict(set)
        self._aside: defaultdict[str, dict[JobId, Candidate]] = defaultdict(dict)
        self._since: Counter[Place] = Counter()
        self._credit = 0.0
        self._usual_worth = 0.0

    @property
    def are_due(self) -> bool:
        """Whether the next service is theirs."""
        return self._credit >= self._usual_worth > 0

    def reconfigure(self, lanes: Mapping[str, LaneSettings]) -> None:
        """Other waits hold from now on."""
        self._settings = lanes
        for place in list(self._jobs):
            self._settle(place)

    def add(self, candidate: Candidate) -> None:
        """A job waits."""
        if candidate.id not in self._known:
            self._known[candidate.id] = candidate
            self._put(candidate)

    def drop(self, job_id: JobId) -> None:
        """It waits no more."""
        candidate = self._known.pop(job_id, None)
        if candidate is not None:
            self._aside[candidate.lane].pop(job_id, None)
            self._take_out(candidate)

    def first(self) -> Candidate | None:
        """The one who waits longest beyond what its lane finds bearable."""
        while (place := self._places.first()) is not None:
            if place[0] not in self._parked:
                return self._first_at(place)
            self._parked[place[0]].add(place)
            self._places.drop(place)
        return None

    def due_at(self, place: Place) -> Candidate | None:
        """The eldest of a workflow, when so many of its others went before that it is this one's turn."""
        return self._first_at(place) if self._since[place] >= EVERY else None

    def is_overdue(self, candidate: Candidate, now_ms: int) -> bool:
        """Whether the job has waited longer than its lane finds bearable."""
        return now_ms > candidate.submitted_ms + self._max_wait_ms(candidate.lane)

    def charge(self, candidate: Candidate, worth: float) -> None:
        """Somebody is served `worth`."""
        self._usual_worth += (worth - self._usual_worth) * (MEMORY if self._usual_worth else 1.0)
        self._credit = min(self._credit + SHARE * worth, MOST_CREDIT * self._usual_worth)
        eldest = self.first()
        if eldest is not None and eldest.id == candidate.id:
            self._credit = max(self._credit - worth, -worth)
        place = place_of(candidate)
        eldest = self._first_at(place)
        if eldest is None or eldest.id == candidate.id:
            self._since.pop(place, None)
        else:
            self._since[place] += 1

    def park_lane(self, lane: str) -> None:
        """Nobody of this lane may go."""
        self._parked.setdefault(lane, set())

    def set_aside(self, candidate: Candidate) -> None:
        """This one may not go."""
        self._aside[candidate.lane][candidate.id] = candidate
        self._take_out(candidate)

    def let_in(self, lane: str) -> None:
        """Something of this lane may go again: look at all its jobs anew."""
        for place in sorted(self._parked.pop(lane, ())):
            self._settle(place)
        for candidate in self._aside.pop(lane, {}).values():
            self._put(candidate)

    def _put(self, candidate: Candidate) -> None:
        self._jobs[place_of(candidate)].place(candidate.id, candidate.submitted_ms)
        self._settle(place_of(candidate))

    def _take_out(self, candidate: Candidate) -> None:
        self._jobs[place_of(candidate)].drop(candidate.id)
        self._settle(place_of(candidate))

    def _first_at(self, place: Place) -> Candidate | None:
        jobs = self._jobs.get(place)
        job_id = jobs.first() if jobs is not None else None
        return None if job_id is None else self._known[job_id]

    def _settle(self, place: Place) -> None:
        """Put the workflow where its eldest belongs."""
        eldest = self._first_at(place)
        if eldest is None:
            self._jobs.pop(place, None)
            self._places.drop(place)
            return
        since = eldest.submitted_ms + self._max_wait_ms(place[0])
        if self._places.rank_of(place) != since:
            self._places.place(place, since)

    def _max_wait_ms(self, lane: str) -> float:
        return 1000 * self._settings.get(lane, LaneSettings()).max_wait_s


def place_of(candidate: Candidate) -> Place:
    """Whose job it is."""
    return candidate.lane, candidate.workflow
