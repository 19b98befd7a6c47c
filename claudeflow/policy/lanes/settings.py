"""Lanes: what can be set for a priority class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Ge, Gt, Le

from claudeflow.domain.job import OnDisconnect
from claudeflow.policy.batching.settings import BatchPolicy
from claudeflow.policy.lanes.hours import HoursSettings


@dataclass(frozen=True, slots=True)
class LaneSettings:
    """A lane: a priority class.

    `weight` is its share when lanes compete. `reserve` is the share of one minute's limit that lanes
    of less weight leave for it. `max_in_flight` bounds its simultaneous calls,
    `max_in_flight_per_workflow` those of each workflow in it, `max_queued` is where intake answers
    "come back later" (0: no bound). Above the token pressure `pressure_ceiling` its jobs wait
    (1: they never do). Jobs that wait longer than `max_wait_s` have first claim on the tenth of the
    service that the oldest share. `retry_window_s` is how long a failing job is tried, counted from
    its first attempt. `hours` are when its jobs may go. `batch`: which of them go to Message Batches.
    For callers who wait on the line (`/v1/messages`): `patience_s` is how long their calls may take to
    leave, `on_disconnect` what becomes of a job whose caller goes away.
    """

    weight: Annotated[float, Gt(0)] = 1.0
    reserve: Annotated[float, Ge(0), Le(0.5)] = 0.0
    max_in_flight: Annotated[int, Ge(0)] = 0
    max_in_flight_per_workflow: Annotated[int, Ge(0)] = 0
    max_queued: Annotated[int, Ge(0)] = 0
    pressure_ceiling: Annotated[float, Gt(0), Le(1)] = 1.0
    max_wait_s: Annotated[float, Gt(0)] = 3600.0
    retry_window_s: Annotated[float, Gt(0)] = 3600.0
    hours: HoursSettings = field(default_factory=HoursSettings)
    batch: BatchPolicy = "never"
    patience_s: Annotated[float, Gt(0), Le(86_400)] = 300.0
    on_disconnect: OnDisconnect = OnDisconnect.CANCEL


def keeps(lanes: Mapping[str, LaneSettings]) -> dict[str, float]:
    """What each lane must leave in every bucket: the largest reserve of the lanes with more weight."""
    return {
        name: max((other.reserve for other in lanes.values() if other.weight > lane.weight), default=0.0)
        for name, lane in lanes.items()
    }


def largest_reserve(lanes: Mapping[str, LaneSettings]) -> float:
    """What the buckets must be able to hold beyond their burst, as a share of one minute's limit."""
    return max((lane.reserve for lane in lanes.values()), default=0.0)
