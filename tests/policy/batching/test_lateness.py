"""When jobs leave a late batch, and when the whole batch is stopped."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeflow.policy.batching.lateness import (
    is_late,
    late_jobs,
    leave_by_ms,
    next_look_ms,
    should_cancel,
)
from tests.policy.batching.builders import NOW_MS, SETTINGS

DEADLINES = st.lists(st.none() | st.integers(NOW_MS, NOW_MS + 10_000_000), max_size=20)


@pytest.mark.parametrize(
    ("left_s", "late"), [(None, False), (901, False), (900, True), (899, True), (0, True), (-60, True)]
)
def test_a_job_is_late_when_no_more_than_the_time_for_messages_is_left(
    left_s: int | None, late: bool
) -> None:
    deadline_ms = None if left_s is None else NOW_MS + 1_000 * left_s
    assert is_late(deadline_ms, NOW_MS, SETTINGS) is late


def test_a_batch_must_leave_as_long_before_that_as_it_is_given() -> None:
    assert leave_by_ms(NOW_MS, 1_000.0, SETTINGS) == NOW_MS - 900_000 - 1_500_000


def test_no_batch_is_given_more_than_a_day() -> None:
    assert leave_by_ms(NOW_MS, 80_000.0, SETTINGS) == NOW_MS - 900_000 - 86_400_000


def test_the_late_ones_leave_and_the_others_stay() -> None:
    deadlines = {"late": NOW_MS + 60_000, "free": None, "soon": NOW_MS + 901_000, "over": NOW_MS - 1}
    assert late_jobs(deadlines, NOW_MS, SETTINGS) == ["late", "over"]


def test_jobs_without_deadlines_need_no_look() -> None:
    assert next_look_ms([None, None], SETTINGS) is None
    assert next_look_ms([], SETTINGS) is None


@given(DEADLINES)
def test_the_next_look_is_when_the_first_one_becomes_late_and_not_before(deadlines: list[int | None]) -> None:
    jobs = dict(enumerate(deadlines))
    at_ms = next_look_ms(deadlines, SETTINGS)
    if at_ms is None:
        assert not late_jobs(jobs, NOW_MS + 20_000_000, SETTINGS)
    else:
        assert late_jobs(jobs, at_ms, SETTINGS)
        assert not late_jobs(jobs, at_ms - 1, SETTINGS)


@pytest.mark.parametrize(
    ("left", "unfinished", "cancel"),
    [
        (0, 10, False),
        (4, 10, False),
        (5, 10, True),
        (10, 10, True),
        (1, 2, True),
        (1, 3, False),
        (0, 0, False),
    ],
)
def test_a_batch_is_stopped_when_half_of_what_is_open_is_wanted_no_more(
    left: int, unfinished: int, cancel: bool
) -> None:
    assert should_cancel(left, unfinished) is cancel
