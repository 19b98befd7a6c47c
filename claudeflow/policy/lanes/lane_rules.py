"""Lane rules: what a lane's settings say of its jobs: how many at once, when, and below which pressure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from claudeflow.domain.job import Candidate
from claudeflow.domain.words import plural
from claudeflow.policy.lanes.hours import Hours
from claudeflow.policy.lanes.parking import Block, Level
from claudeflow.policy.lanes.settings import LaneSettings, keeps

LOOK_AT_HOURS_EVERY_S = 60.0
"""The host's clock may be set: a closed lane is looked at this often."""

LOOK_AT_PRESSURE_EVERY_S = 1.0

Judge = Callable[[Candidate], Block | None]


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a choice is made by. `judge` says why a job may not go, for reasons that are not its lane's.

    `now` is monotonic seconds, `now_ms` epoch milliseconds, `pressure` the pool's token pressure.
    """

    judge: Judge
    now: float
    now_ms: int
    pressure: float = 0.0


class LaneRules:
    """The settings in force, and the calls in flight that they bound."""

    def __init__(self, lanes: Mapping[str, LaneSettings]) -> None:
        self._in_flight: Counter[tuple[str, str]] = Counter()
        self.reconfigure(lanes)

    def reconfigure(self, lanes: Mapping[str, LaneSettings]) -> None:
        """New settings hold from now on."""
        self._lanes = lanes
        self.keeps = keeps(lanes)
        self._keep_of_others = keeps({**lanes, "": LaneSettings()})[""]
        self._hours = {name: Hours(lane.hours) for name, lane in lanes.items()}

    def took(self, candidate: Candidate) -> None:
        """A job goes out."""
        self._in_flight[candidate.lane, ""] += 1
        self._in_flight[candidate.lane, candidate.workflow] += 1

    def came_back(self, candidate: Candidate) -> None:
        """It is in flight no more."""
        for key in ((candidate.lane, ""), (candidate.lane, candidate.workflow)):
            self._in_flight[key] -= 1
            if self._in_flight[key] <= 0:
                del self._in_flight[key]

    def in_flight(self, lane: str, workflow: str = "") -> int:
        """How many of a lane's jobs, or of one workflow in it, are in flight."""
        return self._in_flight[lane, workflow]

    def settings(self, lane: str) -> LaneSettings:
        """A lane's settings; the ordinary ones where it has none."""
        return self._lanes.get(lane, LaneSettings())

    def lane_block(self, lane: str, look: Outlook) -> Block | None:
        """Why a lane may not go by its own settings."""
        settings = self.settings(lane)
        if 0 < settings.max_in_flight <= self.in_flight(lane):
            return _full(Level.LANE, f"lane {lane}", settings.max_in_flight)
        hours = self._hours.get(lane)
        if hours is not None and not hours.is_open(look.now_ms):
            return _closed(lane, hours.changes_at(look.now_ms), look)
        if settings.pressure_ceiling < 1 and look.pressure >= settings.pressure_ceiling:
            ceiling = f"lane {lane} goes below {settings.pressure_ceiling:.0%}"
            why = f"the pool's pressure is {look.pressure:.0%}; {ceiling}"
            return Block(Level.LANE, "pressure", why, look.now + LOOK_AT_PRESSURE_EVERY_S)
        return None

    def workflow_block(self, lane: str, workflow: str) -> Block | None:
        """Why a workflow may not go by its lane's settings."""
        bound = self.settings(lane).max_in_flight_per_workflow
        if 0 < bound <= self.in_flight(lane, workflow):
            return _full(Level.WORKFLOW, f"workflow {workflow} in lane {lane}", bound)
        return None

    def keep_of(self, lane: str) -> float:
        """What a lane's calls must leave in every bucket."""
        return self.keeps.get(lane, self._keep_of_others)


FULL = "in_flight"


def _full(level: Level, what: str, bound: int) -> Block:
    return Block(level, FULL, f"{what} has {plural(bound, 'call')} in flight, as many as it may")


def _closed(lane: str, opens_ms: int | None, look: Outlook) -> Block:
    opens_in_s = math.inf if opens_ms is None else (opens_ms - look.now_ms) / 1000
    look_again_at = look.now + min(LOOK_AT_HOURS_EVERY_S, opens_in_s)
    why = f"lane {lane} is outside its hours"
    return Block(Level.LANE, "hours", why, look_again_at, look.now + opens_in_s)
