"""The peak of a morning: packs and lanes carry what a call for each job cannot."""

from __future__ import annotations

import pytest

from claudeflow.simulation.examples import shipped_scenarios
from claudeflow.simulation.result import Result, Work
from claudeflow.simulation.trial import Trial, run_trial

pytestmark = pytest.mark.timeout(300)

STRETCH_S = 1_200.0
ALLOWED_PER_MIN = 64
PEAK_PER_MIN = 29
"""What is left of the requests a minute."""


def lived(config: str | None) -> Result:
    """The first twenty minutes of the peak."""
    scenario = shipped_scenarios()["peak-morning"]
    path = scenario.parent / scenario.stem / f"{config}.toml" if config else None
    return run_trial(Trial(scenario, config or "own", path, until_s=STRETCH_S), lambda _: None)


@pytest.fixture(scope="module")
def before() -> Result:
    """As the company had it."""
    return lived("before")


@pytest.fixture(scope="module")
def after() -> Result:
    """With packs and lanes."""
    return lived(None)


def analysts(result: Result) -> Work:
    [work] = [lane for lane in result.lanes if lane.name == "interactive"]
    return work


def queued_at(result: Result, at_s: float) -> float:
    place = min(range(len(result.at_s)), key=lambda index: abs(result.at_s[index] - at_s))
    return sum(result.values("queued", lane.name)[place] or 0.0 for lane in result.lanes)


def test_with_a_call_for_each_job_all_requests_are_used_and_the_queue_grows(before: Result) -> None:
    assert before.most_calls_per_min >= ALLOWED_PER_MIN
    assert before.totals.packs == 0
    depths = [queued_at(before, share * STRETCH_S) for share in (0.25, 0.5, 0.75, 0.99)]
    assert depths == sorted(depths)
    assert depths[-1] >= 400


def test_with_packs_the_same_jobs_need_29_requests_a_minute_at_most(before: Result, after: Result) -> None:
    assert after.most_calls_per_min <= PEAK_PER_MIN
    assert after.totals.submitted == before.totals.submitted
    assert after.totals.succeeded >= 1.3 * before.totals.succeeded
    assert queued_at(after, STRETCH_S) <= 100
    assert after.totals.failed == before.totals.failed == 0


def test_analysts_wait_no_longer_than_before_and_are_answered_one_by_one(
    before: Result, after: Result
) -> None:
    then, now = analysts(before), analysts(after)
    assert now.packs == 0
    assert now.calls == now.carried
    assert now.wait.p95_s is not None
    assert then.wait.p95_s is not None
    assert now.wait.p95_s <= then.wait.p95_s
    assert now.total.p95_s is not None
    assert then.total.p95_s is not None
    assert now.total.p95_s <= then.total.p95_s


def test_narratives_are_never_combined(after: Result) -> None:
    works = {work.name: work for work in after.workflows}
    for name in ("incident-summary", "firewall-change-review", "vendor-questionnaire"):
        assert works[name].packs == 0
        assert works[name].calls > 0
    assert works["ticket-triage"].packs > 0
