"""Lanes and workflows over virtual hours: the real scheduler and limiter against floods."""

from __future__ import annotations

import pytest

from claudeflow.domain.job import Candidate
from claudeflow.policy.lanes.settings import LaneSettings
from claudeflow.policy.limits.settings import PoolLimits
from tests.policy.pool import Pool, a_flood, a_stream, jains_index, percentile

LIMITS = PoolLimits(requests=600, input_tokens=600_000, output_tokens=100_000)
LANES = {
    "interactive": LaneSettings(weight=8.0, reserve=0.05, max_wait_s=60.0),
    "bulk": LaneSettings(max_wait_s=86_400.0),
}
HOUR_S = 600.0


def people(until_s: float) -> list[Candidate]:
    """Somebody asks every five seconds, and three more at once every minute."""
    one = a_stream(1, 5.0, until_s, lane="interactive", workflow="chat", input_bytes=1_500, max_tokens=300)
    more = [
        job
        for n in range(3)
        for job in a_stream(
            50_000 + 10_000 * n,
            60.0,
            until_s,
            lane="interactive",
            workflow="team",
            input_bytes=1_500,
            max_tokens=300,
        )
    ]
    return one + more


def bulk(count: int) -> list[Candidate]:
    return a_flood(1_000_000, count, lane="bulk", workflow="audit", input_bytes=1_500, max_tokens=300)


def test_people_wait_no_longer_under_a_flood_and_the_flood_loses_little() -> None:
    asked = people(HOUR_S)
    quiet, flooded, alone = Pool(LANES, LIMITS), Pool(LANES, LIMITS), Pool(LANES, LIMITS)
    quiet.run(asked, HOUR_S)
    flooded.run(asked + bulk(4_500), HOUR_S)
    alone.run(bulk(4_500), HOUR_S)
    idle_p99, busy_p99 = (percentile(pool.waits_s(asked), 0.99) for pool in (quiet, flooded))
    assert len(flooded.waits_s(asked)) == len(asked)
    assert busy_p99 <= max(2 * idle_p99, 0.001)
    both = sum(flooded.served.values())
    assert both >= 0.97 * sum(alone.served.values())


def test_eleven_workflows_of_which_one_floods_are_served_alike() -> None:
    lanes = {"bulk": LaneSettings(max_wait_s=3_600.0)}
    jobs = a_flood(1, 20_000, workflow="w0", input_bytes=1_000, max_tokens=200)
    for number in range(1, 11):
        size = 400 * number
        jobs += a_flood(
            100_000 * number, 3_000, workflow=f"w{number}", input_bytes=size, max_tokens=50 + 20 * number
        )
    pool = Pool(lanes, LIMITS)
    pool.run(jobs, 600.0)
    assert len(pool.served) == 11
    assert jains_index(pool.served.values()) >= 0.98


def test_a_lone_job_waits_no_longer_than_one_round() -> None:
    jobs = a_flood(1, 20_000, workflow="flood")
    for number in range(1, 10):
        jobs += a_flood(100_000 * number, 2_000, workflow=f"w{number}")
    alone = a_flood(5_000_000, 1, at_s=120.0, workflow="alone")
    pool = Pool({"bulk": LaneSettings()}, LIMITS)
    pool.run(jobs + alone, 300.0)
    before = [at for at in pool.went.values() if 120.0 <= at < pool.went[5_000_000]]
    assert len(before) <= 10


@pytest.mark.parametrize("weights", [(1.0, 1.0), (4.0, 1.0), (8.0, 3.0)])
def test_busy_lanes_share_by_weight_though_one_has_a_reserve(weights: tuple[float, float]) -> None:
    lanes = {"a": LaneSettings(weight=weights[0], reserve=0.05), "b": LaneSettings(weight=weights[1])}
    jobs = a_flood(1, 8_000, lane="a") + a_flood(100_000, 8_000, lane="b")
    pool = Pool(lanes, LIMITS)
    pool.run(jobs, 600.0)
    share = pool.served["a", "triage"] / sum(pool.served.values())
    expected = weights[0] / sum(weights)
    assert share == pytest.approx(expected, abs=0.06)


def test_a_large_job_does_not_stand_in_the_way_and_is_not_starved() -> None:
    large = a_flood(1, 1, at_s=30.0, workflow="large", input_bytes=500_000)
    small = a_flood(1_000, 20_000, workflow="small", input_bytes=1_000, max_tokens=100)
    pool = Pool({"bulk": LaneSettings()}, LIMITS)
    pool.run(large + small, 300.0)
    assert pool.went[1] - 30.0 <= 15.0
