"""Forecast: when a waiting job will go, if nothing else comes in.

What goes before it is what fair shares let go before it: as much of each other workflow in its lane
as of its own, and of each other lane as its weight says. How long that takes is decided by the
scarcest of the pool's allowances.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from claudeflow.domain.quota import Axis, Demand
from claudeflow.domain.report import PoolStatus
from claudeflow.policy.lanes.worth import worth_of


@dataclass(frozen=True, slots=True)
class Load:
    """What one workflow has waiting in one lane: so many jobs, each of about this size."""

    lane: str
    workflow: str
    jobs: float
    demand: Demand

    @property
    def worth(self) -> float:
        """All of it."""
        return self.jobs * worth_of(self.demand)

    def first(self, worth: float) -> Load:
        """No more of it than `worth`."""
        share = min(1.0, worth / self.worth) if self.worth > 0 else 0.0
        return Load(self.lane, self.workflow, share * self.jobs, self.demand)


@dataclass(frozen=True, slots=True)
class Supply:
    """What a pool gives: level and refill per second of each allowance, and calls a second at most."""

    levels: Mapping[Axis, float]
    per_s: Mapping[Axis, float]
    most_calls_per_s: float | None = None


@dataclass(frozen=True, slots=True)
class Forecast:
    """How many jobs of lane and pool go before one, and in how many seconds it goes."""

    lane: int
    pool: int
    seconds: float
    before: tuple[Load, ...] = field(default=(), repr=False)


def forecast(
    own: Load, others: Sequence[Load], weight_of: Callable[[str], float], supply: Supply
) -> Forecast:
    """When a job goes that has `own.jobs` of its own workflow before it."""
    size = worth_of(own.demand)
    until_its_turn = own.worth + size
    mine = [own, *(load.first(until_its_turn) for load in others if load.lane == own.lane)]
    by_lane: defaultdict[str, list[Load]] = defaultdict(list)
    for load in others:
        if load.lane != own.lane:
            by_lane[load.lane].append(load)
    lane_worth = sum(load.worth for load in mine) + size
    theirs = [
        load
        for lane, loads in by_lane.items()
        for load in _shared(loads, lane_worth * weight_of(lane) / weight_of(own.lane))
    ]
    before = (*mine, *theirs)
    lane_jobs, pool_jobs = sum(load.jobs for load in mine), sum(load.jobs for load in before)
    return Forecast(round(lane_jobs), round(pool_jobs), _seconds(before, own.demand, supply), before)


def _shared(loads: list[Load], worth: float) -> list[Load]:
    """What goes of a lane when it gets so much."""
    whole = sum(load.worth for load in loads)
    return [load.first(load.worth * min(1.0, worth / whole)) for load in loads] if whole > 0 else []


def _seconds(before: Iterable[Load], own: Demand, supply: Supply) -> float:
    """How long the pool takes for all that goes before, and for the job itself."""
    loads = list(before)
    calls = sum(load.jobs for load in loads)
    longest = calls / supply.most_calls_per_s if supply.most_calls_per_s else 0.0
    for axis, per_s in supply.per_s.items():
        needed = sum(load.jobs * load.demand.on(axis) for load in loads) + own.on(axis)
        missing = needed - supply.levels[axis]
        if missing > 0 and per_s > 0:
            longest = max(longest, missing / per_s)
    return longest


def supply_of(status: PoolStatus) -> Supply:
    """What a pool gives, as it stands."""
    return Supply(
        {bucket.axis: max(0.0, bucket.level) for bucket in status.buckets},
        {bucket.axis: bucket.limit_per_min * bucket.pace_share / 60 for bucket in status.buckets},
    )
