"""The bound on requests a second after `ramp_limit_exceeded`."""

from __future__ import annotations

import pytest

from claudeflow.policy.limits.ramp import LEAST_PER_S, Ramp


def test_without_a_429_there_is_no_bound() -> None:
    ramp = Ramp()
    ramp.advance(10.0, 100.0, calm=True)
    assert ramp.most_per_s is None


def test_it_halves_the_present_pace_and_grows_gently() -> None:
    ramp = Ramp()
    ramp.exceeded(4.0, 10.0)
    assert ramp.most_per_s == 2.0
    ramp.advance(100.0, 56.0, calm=True)
    assert ramp.most_per_s == pytest.approx(4.0, rel=0.02)


def test_each_further_429_halves_the_growth_too() -> None:
    ramp = Ramp()
    ramp.exceeded(4.0, 0.0)
    ramp.exceeded(4.0, 0.0)
    ramp.advance(100.0, 46.0, calm=True)
    assert ramp.most_per_s == pytest.approx(2.0 * 1.0075**46)


def test_it_does_not_grow_while_the_pool_is_closed() -> None:
    ramp = Ramp()
    ramp.exceeded(0.0, 0.0)
    ramp.advance(100.0, 50.0, calm=False)
    ramp.advance(100.0, 50.0, calm=True)
    assert ramp.most_per_s == LEAST_PER_S


def test_it_is_gone_once_it_reaches_the_limit() -> None:
    ramp = Ramp()
    ramp.exceeded(4.0, 0.0)
    ramp.advance(3.0, 60.0, calm=True)
    assert ramp.most_per_s is None
