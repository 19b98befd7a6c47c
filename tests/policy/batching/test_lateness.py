"""When jobs leave a late batch, and when the whole batch is stopped."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeflow.policy.batching.lateness import (
    late_at_ms,
    leave_by_ms,
    next_look_ms,
    should_cancel,
)
from tests.policy.batching.builders import NOW_MS, SETTINGS

DEADLINES = st.lists(st.none() | st.integers(NOW_MS, NOW_MS + 10_000_000), max_size=20)


def test_a_job_is_late_when_no_more_than_the_time_for_messages_is_left() -> None:
    assert late_at_ms(NOW_MS, SETTINGS) == NOW_MS - 900_000


def test_a_batch_must_leave_as_long_before_that_as_it_is_given() -> None:
    assert leave_by_ms(NOW_MS, 1_000.0, SETTINGS) == NOW_MS - 900_000 - 1_500_000


def test_no_batch_is_given_more_than_a_day() -> None:
    assert leave_by_ms(NOW_MS, 80_000.0, SETTINGS) == NOW_MS - 900_000 - 86_400_000


def test_jobs_without_deadlines_need_no_look() -> None:
    assert next_look_ms([None, None], SETTINGS) is None
    assert next_look_ms([], SETTINGS) is None


@given(DEADLINES)
def test_the_next_look_is_when_the_first_one_becomes_late_and_not_before(deadlines: list[int | None]) -> None:
    late_ms = [late_at_ms(deadline_ms, SETTINGS) for deadline_ms in deadlines if deadline_ms is not None]
    at_ms = next_look_ms(deadlines, SETTINGS)
    assert at_ms in late_ms or (at_ms is None and not late_ms)
    assert all(at_ms is not None and moment >= at_ms for moment in late_ms)


@pytest.mark.parametrize(
    ("left", "unbooked", "cancel"),
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
def test_a_batch_is_stopped_when_jobs_wait_for_no_more_than_half_of_what_is_not_booked(
    left: int, unbooked: int, cancel: bool
) -> None:
    assert should_cancel(left, unbooked) is cancel
