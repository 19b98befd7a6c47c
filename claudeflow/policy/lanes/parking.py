"""Parking: what is out of the running until a moment comes or somebody lets it back in.

What may not go is looked at once, not at each choice: a paused lane with a million jobs costs nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

from claudeflow.domain.hold import ScopeKind
from claudeflow.domain.job import Candidate, JobId
from claudeflow.policy.lanes.ranking import Ranking


class Level(Enum):
    """How much a block stops."""

    POOL = auto()
    LANE = auto()
    WORKFLOW = auto()
    MODEL = auto()
    PREFIX = auto()
    JOB = auto()


LEVEL_OF = {
    ScopeKind.ALL: Level.POOL,
    ScopeKind.POOL: Level.POOL,
    ScopeKind.MODEL: Level.MODEL,
    ScopeKind.LANE: Level.LANE,
    ScopeKind.WORKFLOW: Level.WORKFLOW,
    ScopeKind.JOB: Level.JOB,
}
"""What a hold or a budget on a scope stops."""


@dataclass(frozen=True, slots=True)
class Block:
    """Why some jobs may not go now. `until` is when to look again; None: when something happens.

    `over_at` is when it will be over where that is known to be later; infinite: nobody knows.
    `prefix` is the hash that is waited for, where only a part of the job's path is.
    """

    level: Level
    rule: str
    why: str
    until: float | None = None
    over_at: float | None = None
    prefix: str | None = None

    @property
    def ends_at(self) -> float | None:
        """From when the jobs may go, as far as anybody knows."""
        ends_at = self.until if self.over_at is None else self.over_at
        return None if ends_at == math.inf else ends_at


class Spot(NamedTuple):
    """What is parked: everything of a pool that matches."""

    level: Level
    lane: str
    workflow: str = ""
    model: str = ""
    prefix: str | None = None
    job_id: JobId | None = None


def spot_of(level: Level, candidate: Candidate, prefix: str | None = None) -> Spot:
    """What a block at this level parks when a job meets it: with `prefix` all whose path has this hash."""
    lane, workflow, model = candidate.lane, candidate.workflow, candidate.model
    match level:
        case Level.POOL | Level.LANE:
            return Spot(Level.LANE, lane)
        case Level.WORKFLOW:
            return Spot(level, lane, workflow)
        case Level.MODEL:
            return Spot(level, lane, workflow, model)
        case Level.PREFIX:
            return Spot(level, lane, workflow, model, prefix or candidate.prefix)
        case _:
            return Spot(level, lane, workflow, model, None, candidate.id)


class Parking:
    """The parked spots, each with its block. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._blocks: dict[Spot, Block] = {}
        self._until: Ranking[Spot, float] = Ranking()

    def __contains__(self, spot: Spot) -> bool:
        return spot in self._blocks

    def put(self, spot: Spot, block: Block) -> None:
        """Park the spot."""
        self._blocks[spot] = block
        self._until.place(spot, math.inf if block.until is None else block.until)

    def take(self, spot: Spot) -> bool:
        """Let the spot go; whether it was parked."""
        self._until.drop(spot)
        return self._blocks.pop(spot, None) is not None

    def block(self, spot: Spot) -> Block | None:
        """Why the spot is parked, if it is."""
        return self._blocks.get(spot)

    def due(self, now: float) -> list[Spot]:
        """The spots whose moment has come."""
        found = []
        for spot in self._until.in_order():
            until = self._until.rank_of(spot)
            if until is None or until > now:
                break
            found.append(spot)
        return found

    def next_at(self) -> float | None:
        """When the next spot is to be looked at again; None when only events can tell."""
        spot = self._until.first()
        until = self._until.rank_of(spot) if spot is not None else None
        return None if until is None or until == math.inf else until

    def everything(self) -> list[Spot]:
        """All spots."""
        return list(self._blocks)
