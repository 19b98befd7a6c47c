"""Made-up runs: what a recorder sees of two virtual minutes, and the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from claudeflow.domain.events import JobsSubmitted, PoolGated, PoolOpened
from claudeflow.domain.job import JobId, JobState
from claudeflow.domain.quota import Axis
from claudeflow.domain.report import BucketStatus, LaneStatus, PoolStatus, Spend, Status
from claudeflow.simulation.measures import Recorder
from claudeflow.simulation.result import About, Episode, EpisodeKind, Result
from claudeflow.twin.meters import Meter, Meters, PoolMeters
from claudeflow.twin.stats import Stats
from tests.observe.happenings import ERROR, a_call, an_end

START_MS = 1_794_907_020_000
"""17 November 2026, 10:17 in Berlin."""

POOL = "haiku-5.5"


class Stopwatch:
    """Virtual time that a test sets."""

    def __init__(self) -> None:
        self.at_s = 0.0

    def __call__(self) -> float:
        return self.at_s


def an_about(**changes: Any) -> About:
    ordinary = About("storm", "A small storm.", "own", 7, START_MS, "Europe/Berlin", 120.0, "0.1.0")
    return replace(ordinary, **changes)


def a_lane(lane: str = "bulk", queued: int = 0, **changes: Any) -> LaneStatus:
    numbers = dict.fromkeys(
        (
            "running",
            "succeeded",
            "failed",
            "input_tokens",
            "cache_read_tokens",
            "output_tokens",
            "cost_nanousd",
            "uncached_nanousd",
        ),
        0,
    )
    ordinary: dict[str, Any] = {"oldest_age_s": None, "wait_p50_s": None, "wait_p95_s": None}
    return LaneStatus(lane=lane, queued=queued, **{**numbers, **ordinary, **changes})


def a_status(*lanes: LaneStatus) -> Status:
    bucket = BucketStatus(Axis.REQUESTS, 60.0, 12.0, 20.0)
    pool = PoolStatus(POOL, 0.9, True, 0.0, 8, 3, 0, (bucket,))
    return Status("0.1.0", "f00d", "running", 0, 0, lanes, (pool,), (), Spend(0, 0, 0, 0, 0))


def some_meters(at_s: float, used: float = 0.0, others: float = 0.0, pool: str = POOL) -> Meters:
    """A limit of 60 a minute on each axis, of which so much was drawn since the start."""
    meter = Meter(60, 0.0, at_s, used, others)
    return Meters(at_s, {pool: PoolMeters(meter, meter, meter, refused={})})


def some_stats() -> Stats:
    return Stats(120.0, 0, {}, 4, 0, 0, 9, 1_234, some_meters(120.0).pools)


def a_result(lanes: Mapping[str, int] | None = None, **about: Any) -> Result:
    """A run with a fault and a gate; `lanes` has how many jobs wait in each after a minute."""
    queued = {"interactive": 2, "bulk": 40} if lanes is None else lanes
    watch = Stopwatch()
    fault = Episode(EpisodeKind.FAULT, "", "rate_429", 30.0, 90.0)
    recorder = Recorder(an_about(**about), (fault,))
    recorder.begin(watch)
    recorder.sample(0.0, a_status(*(a_lane(lane) for lane in queued)), some_meters(0.0))
    for number, lane in enumerate(queued):
        _live(recorder, watch, number, lane)
    watch.at_s = 60.0
    recorder.sample(60.0, a_status(*(a_lane(*lane) for lane in queued.items())), some_meters(60.0, 30.0, 6.0))
    watch.at_s = 70.0
    recorder.apply(PoolOpened(POOL))
    watch.at_s = 120.0
    recorder.sample(120.0, a_status(*(a_lane(lane) for lane in queued)), some_meters(120.0, 60.0, 12.0))
    recorder.end(120.0, some_stats())
    return recorder.result()


def _live(recorder: Recorder, watch: Stopwatch, number: int, lane: str) -> None:
    """Three jobs: one is throttled and then answered, one fails, one goes on."""
    workflow = f"{lane}-work"
    names: dict[str, Any] = {"lane": lane, "workflow": workflow}
    first, second = JobId(10 * number), JobId(10 * number + 1)
    recorder.apply(JobsSubmitted(lane, workflow, 3))
    watch.at_s = 31.0
    throttled = a_call(
        job_id=first, outcome="throttled", http_status=429, error=ERROR, cost_nanousd=0, **names
    )
    recorder.apply(throttled)
    recorder.apply(PoolGated(POOL, 39.0, 38.0, 0.9))
    watch.at_s = 40.0
    recorder.apply(a_call(job_id=first, attempt=2, **names))
    recorder.apply(an_end(job_id=first, wait_s=20.0, total_s=40.0, **names))
    recorder.apply(a_call(job_id=second, outcome="rejected", http_status=400, error=ERROR, **names))
    recorder.apply(an_end(JobState.FAILED, job_id=second, wait_s=30.0, total_s=40.0, **names))
