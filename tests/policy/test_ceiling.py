"""The bound on calls in flight: doubles while young, then grows slowly, shrinks fast."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from claudeflow.policy.ceiling import Ceiling, CeilingSettings

SETTINGS = CeilingSettings(initial=10, minimum=2, maximum=50, shrink=0.5)


def a_round_trip(ceiling: Ceiling) -> None:
    """As many calls as may be in flight come back well."""
    for _ in range(ceiling.bound):
        ceiling.call_ended_well(in_flight=ceiling.bound)


def test_it_starts_where_the_settings_say() -> None:
    assert Ceiling(SETTINGS).bound == 10


def test_a_young_ceiling_doubles_in_a_round_trip() -> None:
    ceiling = Ceiling(SETTINGS)
    a_round_trip(ceiling)
    assert ceiling.bound == 20


def test_after_a_cut_it_grows_by_one_in_a_round_trip() -> None:
    ceiling = Ceiling(SETTINGS)
    ceiling.call_failed(begun_at=1.0, now=2.0)
    assert ceiling.bound == 5
    a_round_trip(ceiling)
    a_round_trip(ceiling)
    assert ceiling.bound in (6, 7)


def test_it_does_not_grow_while_it_is_not_used() -> None:
    ceiling = Ceiling(SETTINGS)
    for _ in range(100):
        ceiling.call_ended_well(in_flight=7)
    assert ceiling.bound == 10
    ceiling.call_ended_well(in_flight=8)
    assert ceiling.bound == 11


def test_calls_begun_before_a_cut_cannot_cut_again() -> None:
    ceiling = Ceiling(SETTINGS)
    for _ in range(8):
        ceiling.call_failed(begun_at=1.0, now=2.0)
    assert ceiling.bound == 5
    ceiling.call_failed(begun_at=2.5, now=3.0)
    assert ceiling.bound == 2


@given(st.lists(st.booleans(), max_size=200))
def test_it_stays_within_its_bounds_whatever_happens(ends: list[bool]) -> None:
    ceiling = Ceiling(SETTINGS)
    for moment, ended_well in enumerate(ends):
        if ended_well:
            ceiling.call_ended_well(in_flight=ceiling.bound)
        else:
            ceiling.call_failed(begun_at=moment - 0.5, now=float(moment))
        assert SETTINGS.minimum <= ceiling.bound <= SETTINGS.maximum
