"""Forecasts beside what then happens, in virtual time."""

from __future__ import annotations

from collections import Counter
from statistics import median

from claudeflow.domain.job import Candidate
from claudeflow.policy.lanes.forecast import Load, forecast, supply_of
from claudeflow.policy.lanes.lines import rank
from claudeflow.policy.lanes.settings import LaneSettings
from claudeflow.policy.limits.settings import PoolLimits
from tests.policy.pool import Pool, a_flood, demand_of

LIMITS = PoolLimits(requests=600, input_tokens=600_000, output_tokens=100_000)
LANES = {"fast": LaneSettings(weight=3.0), "slow": LaneSettings()}
LOOK_AT_S = 60.0
UNTIL_S = 1_500.0


def the_queue() -> list[Candidate]:
    """Three workflows in two lanes, of different sizes."""
    return [
        *a_flood(1, 900, lane="fast", workflow="chat", input_bytes=1_000, max_tokens=100),
        *a_flood(10_000, 900, lane="slow", workflow="audit", input_bytes=2_000, max_tokens=300),
        *a_flood(20_000, 100, lane="slow", workflow="report", input_bytes=500, max_tokens=900),
    ]


def expected_s(job: Candidate, waiting: list[Candidate], pool: Pool) -> float:
    """How long a job is said to wait, given all that waits."""
    counts = Counter((other.lane, other.workflow) for other in waiting)
    sizes = {(other.lane, other.workflow): demand_of(other) for other in waiting}
    own = (job.lane, job.workflow)
    ahead = sum(1 for other in waiting if (other.lane, other.workflow) == own and rank(other) < rank(job))
    others = [Load(*place, count, sizes[place]) for place, count in counts.items() if place != own]
    supply = supply_of(pool.limiter.snapshot("pool", pool.now))
    weight_of = pool.scheduler.queues.weight_of
    return forecast(Load(*own, ahead, demand_of(job)), others, weight_of, supply).seconds


def test_forecasts_are_near_to_what_happens_when_nothing_else_comes_in() -> None:
    pool, jobs = Pool(LANES, LIMITS), the_queue()
    pool.run(jobs, LOOK_AT_S)
    waiting = [job for job in jobs if job.id not in pool.went]
    told = {job.id: expected_s(job, waiting, pool) for job in waiting[:: len(waiting) // 60]}
    pool.run([], UNTIL_S)
    waits = {job_id: pool.went[job_id] - LOOK_AT_S for job_id in told}
    errors = [abs(told[job_id] - waits[job_id]) / max(waits[job_id], 10.0) for job_id in told]
    assert median(errors) <= 0.10
    assert max(errors) <= 0.35
