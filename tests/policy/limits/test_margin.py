"""θ and the burst: cut by 429s, restored by calm."""

from __future__ import annotations

import pytest

from claudeflow.policy.limits.margin import LEAST_BURST_S, Margin, MarginSettings


def a_margin(**changes: float) -> Margin:
    return Margin(MarginSettings(**({"cold_theta": 1.0} | changes)), 0.0)


def test_it_starts_at_half_and_grows_in_calm_and_never_beyond_the_limits() -> None:
    margin = Margin(MarginSettings(), 0.0)
    margin.advance(10.0, calm=True)
    assert margin.theta == pytest.approx(0.6)
    margin.advance(1_000.0, calm=True)
    margin.advance(2_000.0, calm=True)
    assert margin.theta == 1.0


def test_time_that_was_not_calm_or_did_not_pass_changes_nothing() -> None:
    margin = Margin(MarginSettings(), 5.0)
    margin.advance(500.0, calm=False)
    margin.advance(400.0, calm=True)
    margin.advance(510.0, calm=True)
    assert margin.theta == pytest.approx(0.6)


def test_a_cut_slows_the_growth_for_a_while() -> None:
    margin = a_margin()
    margin.cut()
    margin.advance(10.0, calm=True)
    assert margin.theta == pytest.approx(0.95)
    margin.advance(600.0, calm=True)
    assert margin.memory() == {"theta": 1.0, "growth": 0.01, "burst_s": 5.0}


def test_cut_after_cut_it_stays_above_its_floor_and_is_back_within_two_minutes() -> None:
    margin = a_margin(floor=0.5)
    for _ in range(30):
        margin.cut()
    assert margin.theta == 0.5
    for second in range(121):
        margin.advance(float(second), calm=True)
    assert margin.theta >= 0.95


def test_a_hidden_window_shortens_the_burst_first_and_lowers_theta_next() -> None:
    margin = a_margin()
    margin.window_found()
    assert (margin.burst_s, margin.theta, margin.is_calm) == (1.0, 1.0, False)
    margin.window_found()
    assert (margin.burst_s, margin.theta) == (0.5, 0.9)
    for _ in range(9):
        margin.shorten()
    assert margin.burst_s == LEAST_BURST_S


def test_the_burst_grows_back_slowly() -> None:
    margin = a_margin()
    margin.shorten()
    margin.advance(900.0, calm=True)
    assert margin.burst_s == pytest.approx(2.0)
    margin.advance(9_000.0, calm=True)
    assert margin.is_calm


def test_what_is_recalled_is_kept_within_the_settings() -> None:
    margin = a_margin(burst_s=2.0)
    margin.recall({"theta": 0.01, "growth": 9.0, "burst_s": 30.0}, 5.0)
    assert margin.memory() == {"theta": 0.25, "growth": 0.01, "burst_s": 2.0}
    margin.recall({}, 5.0)
    assert margin.theta == 0.25
