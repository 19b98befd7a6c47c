"""Why a job waits, in words, and when it will go."""

from __future__ import annotations

import math
from typing import Any

import pytest

from claudeflow.domain.job import JobError, JobId, JobRecord, JobState
from claudeflow.domain.quota import Axis, Demand
from claudeflow.domain.report import Ahead
from claudeflow.policy.lanes.admission import Wait
from claudeflow.policy.lanes.explain import Moments, Standing, explain_at_rest, explain_waiting, rule_of
from claudeflow.policy.lanes.forecast import Load, Supply, forecast
from claudeflow.policy.lanes.parking import Block, Level
from tests.policy.builders import a_candidate

NOW = Moments(now=100.0, now_ms=1_000_000)
NOBODY = Ahead(0, 0, 0, 0)
SIZE = Demand(1_000.0, 100.0)


def a_record(state: JobState = JobState.QUEUED, **changes: Any) -> JobRecord:
    ordinary: dict[str, Any] = {
        "lane": "bulk",
        "workflow": "triage",
        "model": "claude-haiku-5-5",
        "priority": 0,
        "submitted_ms": 0,
        "not_before_ms": 0,
        "deadline_ms": None,
        "started_ms": None,
        "finished_ms": None,
        "attempts": 0,
        "tries": 0,
        "crash_count": 0,
        "wait_reason": None,
        "stop_reason": None,
        "error": None,
        "cost_nanousd": 0,
        "prompt": None,
        "dedupe_key": None,
        "metadata": {},
        "submitted_by": None,
    }
    return JobRecord(JobId(7), state, **(ordinary | changes))


@pytest.mark.parametrize("state", [state for state in JobState if state.is_final])
def test_a_job_that_has_ended_says_so_with_its_error(state: JobState) -> None:
    found = explain_at_rest(a_record(state, error=JobError("oops", "it was too much")), 0)
    assert found is not None
    verb = "was" if state is JobState.CANCELLED else "has"
    assert (found.rule, found.why) == ("finished", f"it {verb} {state.value}: it was too much")


def test_a_job_that_runs_or_is_parked_says_so() -> None:
    runs = explain_at_rest(a_record(JobState.RUNNING), 0)
    parked = explain_at_rest(a_record(JobState.HELD), 0)
    assert runs is not None
    assert parked is not None
    assert (runs.rule, parked.rule) == ("running", "parked")
    assert "claudeflow retry 7" in parked.why


def test_a_job_under_a_hold_of_its_own_names_it() -> None:
    found = explain_at_rest(a_record(), 0, held_by="it is held: wait for Ann")
    assert found is not None
    assert (found.rule, found.why) == ("hold", "it is held: wait for Ann")


def test_a_job_that_waits_for_its_retry_names_the_moment() -> None:
    found = explain_at_rest(a_record(not_before_ms=500, wait_reason="retry after overloaded_error"), 100)
    assert found is not None
    assert (found.rule, found.until_ms, found.goes_at_ms) == ("not_before", 500, 500)
    assert "overloaded_error" in found.why
    assert explain_at_rest(a_record(not_before_ms=500), 500) is None


@pytest.mark.parametrize(("deadline_ms", "goes"), [(1_005_001, True), (1_005_000, False)])
def test_a_job_whose_deadline_comes_before_its_turn_is_told_to_expire(deadline_ms: int, goes: bool) -> None:
    waits = explain_waiting(a_record(deadline_ms=deadline_ms), Standing(NOBODY, seconds=5.0), NOW)
    rests = explain_at_rest(a_record(deadline_ms=deadline_ms, not_before_ms=1_005_000), NOW.now_ms)
    assert rests is not None
    for found in (waits, rests):
        assert found.goes_at_ms == (1_005_000 if goes else None)
        assert ("it will expire" in found.why) == (not goes)


def test_what_parks_a_job_outweighs_everything_else() -> None:
    block = Block(Level.LANE, "hours", "lane bulk is outside its hours", until=160.0)
    gate = Wait(a_candidate(7), "closed after a 429", 110.0)
    found = explain_waiting(a_record(), Standing(NOBODY, block, gate, seconds=5.0), NOW)
    assert (found.rule, found.until_ms, found.goes_at_ms) == ("hours", 1_060_000, 1_065_000)


@pytest.mark.parametrize(("over_at", "goes_at_ms"), [(36_100.0, 37_005_000), (math.inf, None)])
def test_a_lane_out_of_hours_is_looked_at_soon_but_goes_when_it_opens(
    over_at: float, goes_at_ms: int | None
) -> None:
    block = Block(Level.LANE, "hours", "lane night is outside its hours", 160.0, over_at)
    found = explain_waiting(a_record(), Standing(NOBODY, block, seconds=5.0), NOW)
    assert (found.until_ms, found.goes_at_ms) == (1_060_000, goes_at_ms)


def test_a_block_without_an_end_allows_no_estimate() -> None:
    block = Block(Level.LANE, "in_flight", "full")
    found = explain_waiting(a_record(), Standing(NOBODY, block, seconds=5.0), NOW)
    assert (found.rule, found.until_ms, found.goes_at_ms) == ("in_flight", None, None)


def test_a_closed_pool_is_named_with_its_moment() -> None:
    gate = Wait(a_candidate(7), "closed after a 429", 130.0)
    found = explain_waiting(a_record(), Standing(Ahead(1, 2, 3, 4), gate=gate, seconds=2.0), NOW)
    assert (found.rule, found.until_ms, found.goes_at_ms) == ("gate", 1_030_000, 1_032_000)


def test_the_next_job_names_the_bucket_that_it_waits_for() -> None:
    wait = Wait(a_candidate(7), "input_tokens bucket", 103.0)
    found = explain_waiting(a_record(), Standing(NOBODY, wait=wait, seconds=3.0), NOW)
    assert (found.rule, found.until_ms, found.goes_at_ms) == ("bucket", 1_003_000, 1_003_000)


@pytest.mark.parametrize("wait", [None, Wait(a_candidate(3), "input_tokens bucket", 103.0)])
def test_a_job_behind_others_counts_them(wait: Wait | None) -> None:
    found = explain_waiting(a_record(), Standing(Ahead(1, 2, 3, 1_234), wait=wait), NOW)
    assert (found.rule, found.goes_at_ms) == ("behind", None)
    assert "1,234 jobs go first, 2 of them of its workflow" in found.why
    assert ("input_tokens bucket" in found.why) == (wait is not None)


def test_a_job_that_nothing_holds_goes_next() -> None:
    found = explain_waiting(a_record(), Standing(NOBODY, seconds=0.0), NOW)
    assert (found.rule, found.goes_at_ms) == ("next", 1_000_000)


@pytest.mark.parametrize(
    ("why", "rule"),
    [
        ("output_tokens bucket", "bucket"),
        ("16 calls in flight are the ceiling", "ceiling"),
        ("waiting for a first answer", "ceiling"),
        ("a probe is out: closed after a 429", "probe"),
        ("closed after a 429", "gate"),
        ("paused in an outage", "gate"),
    ],
)
def test_what_the_limiter_says_has_a_code(why: str, rule: str) -> None:
    assert rule_of(why) == rule


def supply(per_s: float = 10.0, level: float = 0.0, most_calls_per_s: float | None = None) -> Supply:
    """Requests are what is scarce."""
    plenty = 1e12
    return Supply(
        {Axis.REQUESTS: level, Axis.INPUT_TOKENS: plenty, Axis.OUTPUT_TOKENS: plenty},
        {Axis.REQUESTS: per_s, Axis.INPUT_TOKENS: plenty, Axis.OUTPUT_TOKENS: plenty},
        most_calls_per_s,
    )


def a_load(jobs: float, lane: str = "bulk", workflow: str = "triage", size: Demand = SIZE) -> Load:
    return Load(lane, workflow, jobs, size)


def alike(lane: str) -> float:
    return 1.0


def test_alone_a_job_waits_for_those_of_its_workflow() -> None:
    found = forecast(a_load(49), [], alike, supply())
    assert (found.lane, found.pool, found.seconds) == (49, 49, 5.0)


def test_nothing_before_it_and_room_enough_is_at_once() -> None:
    assert forecast(a_load(0), [], alike, supply(level=5.0)).seconds == 0.0


def test_another_workflow_has_as_much_before_it_as_its_own() -> None:
    found = forecast(a_load(9), [a_load(10_000, workflow="flood")], alike, supply())
    assert (found.lane, found.seconds) == (19, 2.0)


def test_a_workflow_with_little_has_all_of_it_before() -> None:
    assert forecast(a_load(9), [a_load(3, workflow="small")], alike, supply()).lane == 12


def test_another_lane_has_as_much_before_as_its_weight_says() -> None:
    others = [a_load(10_000, lane="top"), a_load(2, lane="tiny", workflow="x")]
    found = forecast(a_load(9), others, lambda lane: 8.0 if lane == "top" else 1.0, supply())
    assert (found.lane, found.pool) == (9, 9 + 80 + 2)


def test_large_jobs_of_others_count_by_their_worth() -> None:
    large = Demand(10_000.0, 1_000.0)
    assert forecast(a_load(9), [a_load(100, workflow="large", size=large)], alike, supply()).lane == 10


def test_jobs_without_any_size_are_nobodys_burden() -> None:
    nothing = Demand(0.0, 0.0)
    found = forecast(
        a_load(3), [a_load(5, workflow="w", size=nothing), a_load(5, lane="l", size=nothing)], alike, supply()
    )
    assert found.pool == 3


def test_the_bound_on_calls_can_be_what_is_scarce() -> None:
    assert forecast(a_load(49), [], alike, supply(per_s=1e9, most_calls_per_s=7.0)).seconds == 7.0


def test_a_bucket_that_does_not_refill_is_no_reason_for_an_endless_wait() -> None:
    assert forecast(a_load(49), [], alike, supply(per_s=0.0)).seconds == 0.0
