"""Pace: over any time calls spend what the rate allows, be they small or dear."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeflow.policy.money.pace import BURST_S, Pace, PaceBook
from claudeflow.policy.money.scopes import BudgetScope, CallScope

BULK = CallScope("bulk", "triage")
LANE = BudgetScope("lane", "bulk")


def paced(rate: float, scope: BudgetScope = LANE) -> PaceBook:
    book = PaceBook()
    book.keep([Pace("team", scope, rate)], 0.0)
    return book


@given(st.floats(1, 1e6), st.integers(1, 10**8))
def test_the_rate_is_kept_and_used(rate: float, cost: int) -> None:
    book, now, spent = paced(rate), 0.0, 0
    for _ in range(50):
        slowed = book.slowed(BULK, now)
        if slowed is not None:
            assert slowed.until is not None
            now = slowed.until + 1e-6
            assert book.slowed(BULK, now + 1e-6 * cost / rate) is None
        book.went(BULK, cost, now)
        spent += cost
        assert spent <= rate * now * 1.001 + cost + 1
    assert spent >= rate * now * 0.99


def test_after_a_quiet_time_a_minutes_worth_goes_at_once() -> None:
    book = paced(10.0)
    assert book.slowed(BULK, 3_600.0) is None
    book.went(BULK, round(10 * BURST_S) + 10, 3_600.0)
    slowed = book.slowed(BULK, 3_600.0)
    assert slowed is not None
    assert slowed.until == pytest.approx(3_601.0)


def test_other_lanes_are_not_slowed() -> None:
    book = paced(1.0)
    book.went(BULK, 1_000, 0.0)
    assert book.slowed(BULK, 1.0) is not None
    assert book.slowed(CallScope("interactive", "triage"), 1.0) is None


def test_with_nothing_left_nobody_knows_when() -> None:
    slowed = paced(0.0).slowed(BULK, 5.0)
    assert slowed is not None
    assert slowed.until is None


def test_a_pace_that_ends_or_quickens_is_told() -> None:
    book = paced(1.0)
    assert not book.keep([Pace("team", LANE, 1.1)], 1.0)
    assert book.keep([Pace("team", LANE, 9.0)], 2.0)
    assert book.keep([], 3.0)
    assert book.slowed(BULK, 3.0) is None
