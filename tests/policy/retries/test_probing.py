"""When one call may test whether the cause of a hold is over."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from claudeflow.domain.hold import HoldCause
from claudeflow.policy.retries.probing import (
    CAP_PROBE_EVERY_MS,
    FIRST_PROBE_MS,
    MINUTE_MS,
    PROBE_EVERY_MS,
    SOON_MS,
    first_probe_ms,
    next_month_ms,
    next_probe_ms,
    soon_ms,
    within_bound_ms,
)


def at(text: str) -> int:
    """A moment in UTC as epoch milliseconds."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("now", "then"),
    [
        ("2026-11-22T10:17", "2026-12-01T00:00"),
        ("2026-12-31T23:59", "2027-01-01T00:00"),
        ("2027-01-31T00:00", "2027-02-01T00:00"),
        ("2028-02-29T12:00", "2028-03-01T00:00"),
        ("2026-12-01T00:00", "2027-01-01T00:00"),
    ],
)
def test_a_month_begins_at_midnight_utc(now: str, then: str) -> None:
    assert next_month_ms(at(now)) == at(then)


@pytest.mark.parametrize("cause", [cause for cause in HoldCause if cause is not HoldCause.SPEND_CAP])
def test_a_cause_is_probed_after_a_minute_and_then_every_four(cause: HoldCause) -> None:
    now_ms = at("2026-11-22T10:17")
    assert first_probe_ms(cause, now_ms) == now_ms + FIRST_PROBE_MS
    assert next_probe_ms(cause, now_ms) == now_ms + PROBE_EVERY_MS


def test_a_monthly_cap_is_probed_every_two_hours_for_the_limit_may_be_raised() -> None:
    now_ms = at("2026-11-22T10:17")
    assert CAP_PROBE_EVERY_MS == 120 * MINUTE_MS
    for probe in (first_probe_ms, next_probe_ms):
        assert probe(HoldCause.SPEND_CAP, now_ms) == now_ms + CAP_PROBE_EVERY_MS


def test_a_monthly_cap_is_probed_when_the_month_turns() -> None:
    assert next_probe_ms(HoldCause.SPEND_CAP, at("2026-11-30T22:30")) == at("2026-12-01T00:00")


@pytest.mark.parametrize("now", ["2026-12-01T00:00", "2026-12-01T00:12", "2026-12-01T00:29"])
def test_while_clocks_may_differ_over_the_month_a_cap_is_probed_as_often_as_anything(now: str) -> None:
    assert next_probe_ms(HoldCause.SPEND_CAP, at(now)) == at(now) + PROBE_EVERY_MS


def test_half_an_hour_into_the_month_it_must_be_another_cap() -> None:
    now_ms = at("2026-12-01T00:31")
    assert next_probe_ms(HoldCause.SPEND_CAP, now_ms) == now_ms + CAP_PROBE_EVERY_MS


@pytest.mark.parametrize(
    ("vain", "wait_ms"), [(1, SOON_MS), (2, 2 * SOON_MS), (5, PROBE_EVERY_MS), (10_000, PROBE_EVERY_MS)]
)
def test_what_proved_nothing_is_tried_again_soon_and_then_later_and_later(vain: int, wait_ms: int) -> None:
    assert soon_ms(vain, 7) == 7 + wait_ms


def test_the_fourth_probe_waits_until_the_first_is_ten_minutes_ago() -> None:
    assert within_bound_ms(50, []) == 50
    assert within_bound_ms(50, [10, 20]) == 50
    assert within_bound_ms(50, [10, 20, 30]) == 10 + 10 * MINUTE_MS
    assert within_bound_ms(50, [1, 10, 20, 30]) == 10 + 10 * MINUTE_MS
    assert within_bound_ms(99 * MINUTE_MS, [10, 20, 30]) == 99 * MINUTE_MS
