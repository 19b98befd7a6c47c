"""What each lane has done, folded from events."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeflow.domain.events import Event
from claudeflow.domain.job import JobState
from claudeflow.domain.usage import Usage
from claudeflow.observe.tally import WAITS_KEPT, Tally, percentile
from tests.observe.happenings import ONE_OF_EACH, a_call, an_end


def tallied(*events: Event) -> Tally:
    tally = Tally()
    for event in events:
        tally.apply(event)
    return tally


def test_a_lane_counts_its_calls_tokens_and_money() -> None:
    usage = Usage(input_tokens=10, cache_write_1h_tokens=5, cache_read_tokens=80, output_tokens=20)
    call = a_call(usage=usage, cost_nanousd=7, uncached_nanousd=9)
    lane = tallied(call, call, a_call(lane="other")).lanes["bulk"]
    assert (lane.calls, lane.input_tokens, lane.cache_read_tokens, lane.output_tokens) == (2, 30, 160, 40)
    assert (lane.cost_nanousd, lane.uncached_nanousd) == (14, 18)


def test_all_lanes_together_tell_what_was_spent() -> None:
    tally = tallied(
        a_call(cost_nanousd=7, uncached_nanousd=9), a_call(lane="other", cost_nanousd=1, uncached_nanousd=2)
    )
    assert (tally.cost_nanousd, tally.uncached_nanousd, tally.settled_calls) == (8, 11, 2)


def test_a_call_whose_cost_nobody_knows_is_not_settled() -> None:
    assert tallied(a_call(settled=False)).settled_calls == 0


@pytest.mark.parametrize(
    ("state", "succeeded", "failed"),
    [
        (JobState.SUCCEEDED, 1, 0),
        (JobState.FAILED, 0, 1),
        (JobState.EXPIRED, 0, 1),
        (JobState.CANCELLED, 0, 0),
        (JobState.HELD, 0, 0),
    ],
)
def test_a_lane_counts_how_its_jobs_ended(state: JobState, succeeded: int, failed: int) -> None:
    lane = tallied(an_end(state)).lanes["bulk"]
    assert (lane.succeeded, lane.failed) == (succeeded, failed)
    assert len(lane.waits_s) == succeeded


def test_other_events_make_no_lane() -> None:
    others = [event for event in ONE_OF_EACH if type(event).__name__ not in {"CallEnded", "JobFinished"}]
    assert tallied(*others).lanes == {}


def test_percentiles_are_of_the_newest_waits() -> None:
    tally = tallied(*(an_end(wait_s=float(number)) for number in range(WAITS_KEPT + 500)))
    lane = tally.lanes["bulk"]
    assert len(lane.waits_s) == WAITS_KEPT
    assert lane.wait_percentile_s(0.0) == 500.0
    assert lane.wait_percentile_s(0.5) == 500.0 + WAITS_KEPT / 2 - 1


def test_before_the_first_job_there_is_no_percentile() -> None:
    assert tallied(a_call()).lanes["bulk"].wait_percentile_s(0.95) is None


@pytest.mark.parametrize(
    ("count", "share", "expected"),
    [
        (1, 0.0, 1),
        (1, 0.5, 1),
        (1, 1.0, 1),
        (2, 0.5, 1),
        (2, 0.51, 2),
        (10, 0.95, 10),
        (20, 0.95, 19),
        (100, 0.5, 50),
        (100, 0.95, 95),
        (100, 0.07, 7),
        (100, 0.99, 99),
        (100, 1.0, 100),
    ],
)
def test_a_percentile_is_the_nearest_rank(count: int, share: float, expected: int) -> None:
    assert percentile(range(1, count + 1), share) == expected


@given(st.lists(st.floats(0, 1_000), min_size=1), st.floats(0, 1))
def test_at_least_that_share_is_no_greater_than_the_percentile(values: list[float], share: float) -> None:
    ordered = sorted(values)
    found = percentile(ordered, share)
    assert found in ordered
    assert sum(value <= found for value in ordered) >= share * len(ordered) - 1e-5
