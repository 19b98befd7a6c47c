"""The bound on calls in flight: grows while it is used, is cut by trouble, finds back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from claudeflow.policy.limits.ceiling import CONNECTIONS_HOLD_S, CUT_EVERY_S, HOLD_S, Ceiling, CeilingSettings

SETTINGS = CeilingSettings(initial=10, minimum=2, maximum=50, shrink=0.5)


def used(ceiling: Ceiling, start: float, for_s: float) -> None:
    """Every slot is in use all the time."""
    for tenth in range(int(for_s * 10) + 1):
        ceiling.note_use(ceiling.bound, start + tenth / 10)


def trouble(ceiling: Ceiling, at: float) -> None:
    """Two calls of this moment fail."""
    ceiling.call_failed(at, at)
    ceiling.call_failed(at, at)


def test_it_starts_where_the_settings_say() -> None:
    assert Ceiling(SETTINGS).bound == 10


def test_it_grows_by_a_tenth_a_second_while_it_is_used_and_no_further_than_allowed() -> None:
    ceiling = Ceiling(SETTINGS)
    used(ceiling, 0.0, 5.0)
    assert 15 <= ceiling.bound <= 17
    used(ceiling, 5.0, 30.0)
    assert ceiling.bound == 50


def test_it_says_when_there_will_be_room_for_one_more() -> None:
    ceiling = Ceiling(SETTINGS)
    assert ceiling.room_at(5.0) == 6.0


def test_it_does_not_grow_while_it_is_not_used() -> None:
    ceiling = Ceiling(SETTINGS)
    for second in range(100):
        ceiling.note_use(6, float(second))
    assert ceiling.bound == 10


def test_a_small_bound_grows_too_though_a_slot_is_free_whenever_somebody_asks() -> None:
    ceiling = Ceiling(CeilingSettings(initial=3))
    for tenth in range(60):
        ceiling.note_use(2, tenth / 10)
    assert ceiling.bound > 3


def test_one_failure_among_many_answers_is_no_trouble() -> None:
    ceiling = Ceiling(SETTINGS)
    for second in range(100):
        ceiling.call_failed(second, second)
        for _ in range(20):
            ceiling.call_ended_well()
    assert ceiling.bound == 10


def test_two_failures_in_a_row_cut_it() -> None:
    ceiling = Ceiling(SETTINGS)
    trouble(ceiling, 1.0)
    assert ceiling.bound == 5


def test_calls_begun_before_a_cut_cannot_cut_again() -> None:
    ceiling = Ceiling(SETTINGS)
    trouble(ceiling, 1.0)
    for _ in range(8):
        ceiling.call_failed(begun_at=0.5, now=1.0 + CUT_EVERY_S)
    assert ceiling.bound == 5


def test_it_is_cut_every_few_seconds_at_most_and_not_below_a_fifth_of_what_it_was() -> None:
    ceiling = Ceiling(CeilingSettings(initial=50, shrink=0.5))
    trouble(ceiling, 1.0)
    trouble(ceiling, 2.0)
    assert ceiling.bound == 25
    for cut in range(1, 10):
        trouble(ceiling, 1.0 + cut * CUT_EVERY_S)
    assert ceiling.bound == 10


def test_after_trouble_it_grows_back_to_where_it_was_cut_and_stays_there_for_a_while() -> None:
    ceiling = Ceiling(SETTINGS)
    trouble(ceiling, 1.0)
    for _ in range(30):
        ceiling.call_ended_well()
    used(ceiling, 1.0, HOLD_S - 5.0)
    assert ceiling.bound == 10
    used(ceiling, 1.0 + HOLD_S, 5.0)
    assert ceiling.bound > 10


def test_it_does_not_grow_in_trouble() -> None:
    ceiling = Ceiling(SETTINGS)
    trouble(ceiling, 1.0)
    used(ceiling, 1.0, 10.0)
    assert ceiling.bound == 5


def test_the_end_of_an_outage_gives_back_what_it_cut() -> None:
    cut, calm = Ceiling(SETTINGS), Ceiling(SETTINGS)
    trouble(cut, 1.0)
    cut.outage_ended()
    calm.outage_ended()
    assert (cut.bound, calm.bound) == (10, 10)


def test_a_wave_of_refused_connections_leaves_as_many_as_the_server_let_in() -> None:
    ceiling = Ceiling(SETTINGS)
    for others in reversed(range(4, 10)):
        ceiling.connection_refused(others, begun_at=1.0, now=1.5)
    assert ceiling.bound == 4


def test_connections_refused_again_and_again_bring_it_down_quickly() -> None:
    ceiling = Ceiling(CeilingSettings(initial=40))
    refusals = 0
    while ceiling.bound > 5:
        refusals += 1
        ceiling.connection_refused(ceiling.bound - 1, begun_at=10.0 * refusals, now=10.0 * refusals + 0.1)
    assert refusals <= 5


def test_a_limit_on_connections_is_tried_again_after_a_while() -> None:
    ceiling = Ceiling(SETTINGS)
    ceiling.connection_refused(6, begun_at=1.0, now=1.5)
    used(ceiling, 2.0, CONNECTIONS_HOLD_S - 10.0)
    assert ceiling.bound == 6
    used(ceiling, 2.0 + CONNECTIONS_HOLD_S, 3.0)
    assert ceiling.bound > 6


def test_calls_that_generate_too_fast_together_become_fewer() -> None:
    ceiling = Ceiling(SETTINGS)
    ceiling.generation_too_fast(9, 1.0)
    assert ceiling.bound == 8
    used(ceiling, 2.0, 50.0)
    assert ceiling.bound == 8


@given(st.lists(st.integers(0, 4), max_size=200))
def test_it_stays_within_its_bounds_whatever_happens(steps: list[int]) -> None:
    ceiling = Ceiling(SETTINGS)
    for step, kind in enumerate(steps):
        now = step * 3.0
        match kind:
            case 0:
                ceiling.call_failed(now - 0.5, now)
            case 1:
                ceiling.connection_refused(ceiling.bound - 1, now - 0.5, now)
            case 2:
                ceiling.outage_ended()
            case 3:
                ceiling.generation_too_fast(ceiling.bound - 1, now)
            case _:
                ceiling.call_ended_well()
        ceiling.note_use(ceiling.bound, now)
        assert SETTINGS.minimum <= ceiling.bound <= SETTINGS.maximum
