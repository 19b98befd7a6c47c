"""How fast the endpoints of batches are asked. Times are virtual seconds."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeflow.policy.batching.quota import BURST, BatchQuota
from claudeflow.policy.batching.settings import BatchSettings

SETTINGS = BatchSettings(requests_per_min=60, max_queued=5_000)
"""One a second."""
JITTER = st.floats(0, 1, exclude_max=True)
EXACT = 1e-6


def a_quota() -> BatchQuota:
    return BatchQuota(SETTINGS, now=0.0)


def calls_at(quota: BatchQuota, now: float) -> int:
    """How many requests go at this moment."""
    calls = 0
    while quota.may_call(now) == 0.0:
        quota.called(now)
        calls += 1
    return calls


def test_a_few_requests_go_at_once_and_then_one_by_one() -> None:
    quota = a_quota()
    assert calls_at(quota, 0.0) == 5
    assert quota.may_call(0.25) == pytest.approx(0.75)
    assert calls_at(quota, 1.0) == 1


def test_asking_takes_nothing() -> None:
    quota = a_quota()
    assert [quota.may_call(0.0) for _ in range(20)] == [0.0] * 20


def test_a_retry_after_is_waited_for_and_a_random_bit_more() -> None:
    quota = a_quota()
    assert quota.troubled(60.0, now=0.0, jitter=0.5) == 62.5
    assert quota.may_call(10.0) == 52.5
    assert quota.may_call(62.5) == 0.0


def test_the_random_bit_after_a_long_retry_after_is_seconds() -> None:
    assert a_quota().troubled(7_200.0, now=0.0, jitter=0.99) < 7_205.0


def test_pauses_grow_with_troubles_in_a_row_up_to_five_minutes() -> None:
    quota, now, bounds = a_quota(), 0.0, []
    for _ in range(9):
        pause_s = quota.troubled(None, now, jitter=0.5)
        bounds.append(2 * pause_s)
        now += pause_s
    assert bounds == [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0, 300.0]


def test_a_pause_is_anything_up_to_its_bound() -> None:
    assert a_quota().troubled(None, 0.0, jitter=0.0) == 0.0
    assert a_quota().troubled(None, 0.0, jitter=0.999) == pytest.approx(5.0, abs=0.01)


def test_an_answer_ends_the_row() -> None:
    quota = a_quota()
    now = quota.troubled(None, 0.0, jitter=0.5)
    quota.answered()
    assert quota.troubled(None, now, jitter=0.5) == 2.5


def test_an_answer_does_not_end_the_pause() -> None:
    quota = a_quota()
    quota.troubled(60.0, 0.0, jitter=0.0)
    quota.answered()
    assert quota.may_call(0.0) == 60.0


def test_what_was_out_when_a_pause_began_is_no_further_trouble_and_can_only_make_it_longer() -> None:
    quota = a_quota()
    quota.troubled(None, 0.0, jitter=0.8)
    assert quota.troubled(None, 1.0, jitter=0.1) == 3.0
    assert quota.troubled(30.0, 1.0, jitter=0.0) == 30.0
    assert quota.troubled(None, 31.0, jitter=0.5) == 5.0


def test_an_answer_between_troubles_of_one_pause_does_no_harm() -> None:
    quota = a_quota()
    quota.troubled(None, 0.0, jitter=0.8)
    quota.answered()
    assert quota.troubled(None, 0.0, jitter=0.9) == 4.5


def test_what_an_earlier_process_was_told_to_wait_is_waited() -> None:
    earlier, later = a_quota(), a_quota()
    earlier.troubled(60.0, 0.0, jitter=0.0)
    later.stay_paused(earlier.paused_for_s(20.0), now=0.0)
    assert later.may_call(0.0) == 40.0
    assert a_quota().paused_for_s(0.0) == 0.0


def test_other_limits_hold_from_now_on() -> None:
    quota = a_quota()
    assert calls_at(quota, 0.0) == 5
    quota.reconfigure(replace(SETTINGS, requests_per_min=600, max_queued=7), 0.0)
    assert calls_at(quota, 0.1) == 1
    assert calls_at(quota, 60.0) == 5
    assert quota.room(0) == 7


@pytest.mark.parametrize(("unfinished", "room"), [(0, 5_000), (4_999, 1), (5_000, 0), (6_000, 0)])
def test_there_is_room_for_what_unfinished_batches_leave(unfinished: int, room: int) -> None:
    assert a_quota().room(unfinished) == room


@given(st.lists(st.floats(0, 20), max_size=40))
def test_no_schedule_gets_more_through_than_the_limit_and_the_burst(gaps_s: list[float]) -> None:
    quota, now, calls = a_quota(), 0.0, 0
    for gap_s in gaps_s:
        now += gap_s
        calls += calls_at(quota, now)
        assert calls <= BURST + now + 1


@given(st.lists(st.tuples(st.floats(0, 100), st.none() | st.floats(0, 500), JITTER), min_size=1, max_size=20))
def test_nothing_goes_before_any_retry_after_has_passed(
    troubles: list[tuple[float, float | None, float]],
) -> None:
    quota, now, asked_until = a_quota(), 0.0, 0.0
    for gap_s, retry_after_s, jitter in troubles:
        now += gap_s
        quota.troubled(retry_after_s, now, jitter)
        asked_until = max(asked_until, now + (retry_after_s or 0.0))
        assert now + quota.may_call(now) >= asked_until - EXACT


@given(st.integers(1, 4_000), st.floats(0, 1_000))
def test_whatever_the_limit_somebody_may_call_in_the_end(per_min: int, now: float) -> None:
    quota = BatchQuota(BatchSettings(requests_per_min=per_min), now=0.0)
    calls_at(quota, now)
    assert 0.0 < quota.may_call(now) <= 60.0 / per_min + EXACT
