"""Turns: senders share a limit, and none has more than half of it."""

from __future__ import annotations

import pytest

from claudeflow.policy.limits.turns import BURST_S, MOST_SENDERS, Turns

PER_MIN = 240.0
PER_S = PER_MIN / 60


def take_until_full(turns: Turns, sender: str, now: float) -> int:
    """How many turns the sender has at once."""
    count = 0
    while max(turns.ready_at(now), turns.own_ready_at(sender, now)) <= now:
        turns.take(sender, now)
        count += 1
    return count


def test_one_sender_has_half_and_another_the_rest() -> None:
    turns = Turns(PER_MIN, 0.0)
    assert take_until_full(turns, "busy", 0.0) == BURST_S * PER_S / 2
    assert take_until_full(turns, "calm", 0.0) == BURST_S * PER_S / 2
    assert take_until_full(turns, "late", 0.0) == 0


def test_over_time_a_sender_that_never_stops_leaves_half() -> None:
    turns, busy, calm = Turns(PER_MIN, 0.0), 0, 0
    for tick in range(600):
        busy += take_until_full(turns, "busy", tick / 10)
        calm += take_until_full(turns, "calm", tick / 10)
    most = (60 + BURST_S) * PER_S / 2
    assert busy <= most
    assert calm == pytest.approx(most, abs=2)


def test_a_small_limit_goes_from_one_to_the_other() -> None:
    """At one a minute: whoever looks first each time still has only every other turn."""
    turns = Turns(1.0, 0.0)
    had = {"eager": 0, "calm": 0}
    for second in range(1_200):
        for sender in had:
            had[sender] += take_until_full(turns, sender, float(second))
    assert abs(had["eager"] - had["calm"]) <= 1
    assert sum(had.values()) >= 18


def test_another_limit_holds_for_those_that_are_known() -> None:
    turns = Turns(PER_MIN, 0.0)
    take_until_full(turns, "busy", 0.0)
    turns.adopt_limit(PER_MIN / 4, 0.0)
    assert turns.own_ready_at("busy", 0.0) == pytest.approx(8 / PER_S)


def test_senders_that_ask_no_more_are_forgotten() -> None:
    turns = Turns(1_000_000.0, 0.0)
    for number in range(MOST_SENDERS):
        turns.take(f"user{number}", 0.0)
    turns.take("new", 60.0)
    assert len(turns) == 1
