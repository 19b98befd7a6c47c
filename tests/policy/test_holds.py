"""Holds in force, and the one call that may test whether the cause is over."""

from __future__ import annotations

import pytest

from claudeflow.domain.hold import EVERYTHING, Hold, HoldCause, Scope, ScopeKind
from claudeflow.policy.holds import PROBE_EVERY_MS, HoldBook, scope_of

MODEL = "claude-haiku-5-5"
ON_MODEL = Scope(ScopeKind.MODEL, MODEL)
MINUTE_MS = 60_000
CALL = 17


def a_book(cause: HoldCause = HoldCause.CREDIT) -> HoldBook:
    """A hold set at moment 0."""
    book = HoldBook()
    book.put(cause, MODEL, "the reason", 0)
    return book


def a_probing_book() -> HoldBook:
    book = a_book()
    book.gone(MODEL, CALL)
    return book


@pytest.mark.parametrize("cause", HoldCause)
def test_a_cause_stops_a_model_or_everything(cause: HoldCause) -> None:
    by_model = cause in {HoldCause.PERMISSION, HoldCause.MODEL_NOT_FOUND}
    assert scope_of(cause, MODEL) == (ON_MODEL if by_model else EVERYTHING)


def test_without_a_hold_everything_goes() -> None:
    book = HoldBook()
    book.gone(MODEL, CALL)
    assert book.lets_go(MODEL, 0)
    assert book.in_force() == ()
    assert book.call_came_back(CALL, well=True, now_ms=1) == []


def test_under_a_hold_on_everything_nothing_goes() -> None:
    book = a_book()
    assert not book.lets_go(MODEL, 1)
    assert not book.lets_go("another model", 1)


def test_under_a_hold_on_a_model_the_others_go() -> None:
    book = a_book(HoldCause.MODEL_NOT_FOUND)
    assert not book.lets_go(MODEL, 1)
    assert book.lets_go("another model", 1)


def test_when_the_time_has_come_one_probe_goes_and_nobody_else() -> None:
    book = a_book()
    assert not book.lets_go(MODEL, PROBE_EVERY_MS - 1)
    assert book.lets_go(MODEL, PROBE_EVERY_MS)
    book.gone(MODEL, CALL)
    assert not book.lets_go(MODEL, PROBE_EVERY_MS)


def test_a_probe_that_goes_well_ends_the_hold() -> None:
    book = a_probing_book()
    (ended,) = book.call_came_back(CALL, well=True, now_ms=PROBE_EVERY_MS + 1)
    assert ended.scope == EVERYTHING
    assert book.in_force() == ()
    assert book.lets_go(MODEL, PROBE_EVERY_MS + 1)


def test_a_probe_that_goes_wrong_otherwise_leaves_the_hold_and_the_next_one_waits() -> None:
    book = a_probing_book()
    assert book.call_came_back(CALL, well=False, now_ms=1_000_000) == []
    assert not book.lets_go(MODEL, 1_000_000 + PROBE_EVERY_MS - 1)
    assert book.lets_go(MODEL, 1_000_000 + PROBE_EVERY_MS)


def test_a_probe_that_shows_the_cause_again_renews_the_hold() -> None:
    book = a_probing_book()
    renewed, is_new = book.put(HoldCause.CREDIT, MODEL, "still no credit", 500_000)
    assert not is_new
    assert (renewed.since_ms, renewed.reason) == (0, "still no credit")
    assert renewed.probe_at_ms == 500_000 + PROBE_EVERY_MS
    assert book.lets_go(MODEL, 500_000 + PROBE_EVERY_MS)


def test_a_probe_that_never_left_leaves_its_place_to_the_next_call_at_once() -> None:
    book = a_probing_book()
    book.call_never_left(CALL)
    assert book.lets_go(MODEL, PROBE_EVERY_MS)


def test_a_call_that_went_out_before_the_hold_proves_nothing() -> None:
    book = a_book()
    assert book.call_came_back(99, well=True, now_ms=5) == []
    assert len(book.in_force()) == 1


def test_one_probe_may_end_a_hold_on_its_model_and_one_on_everything() -> None:
    book = a_book(HoldCause.CREDIT)
    book.put(HoldCause.PERMISSION, MODEL, "no access", 5)
    assert book.lets_go(MODEL, 5 + PROBE_EVERY_MS)
    book.gone(MODEL, CALL)
    ended = book.call_came_back(CALL, well=True, now_ms=1_000_000)
    assert {hold.scope for hold in ended} == {EVERYTHING, ON_MODEL}


def test_a_probe_for_everything_that_finds_its_model_gone_does_not_stay_out_for_ever() -> None:
    book = a_probing_book()
    book.put(HoldCause.MODEL_NOT_FOUND, MODEL, "no such model", 300_000)
    book.call_came_back(CALL, well=False, now_ms=300_000)
    assert book.lets_go("another model", 300_000 + PROBE_EVERY_MS)


def test_a_hold_that_was_lifted_while_its_probe_was_out_ends_only_once() -> None:
    hold = Hold(EVERYTHING, HoldCause.CREDIT, "r", since_ms=0, probe_at_ms=0)
    book = HoldBook([hold])
    book.gone(MODEL, 1)
    book.gone(MODEL, 2)
    assert book.call_came_back(2, well=True, now_ms=5) == [hold]
    assert book.call_came_back(1, well=True, now_ms=6) == []


def test_after_a_probe_that_never_left_the_next_call_is_the_probe_at_once() -> None:
    book = a_probing_book()
    book.call_never_left(99)
    assert not book.lets_go(MODEL, PROBE_EVERY_MS)
    book.call_never_left(CALL)
    assert book.lets_go(MODEL, PROBE_EVERY_MS)


def test_a_hold_without_a_probe_waits_for_a_person() -> None:
    book = HoldBook([Hold(EVERYTHING, HoldCause.MANUAL, "maintenance", since_ms=0)])
    assert not book.lets_go(MODEL, 10**15)


def test_holds_are_listed_the_oldest_first() -> None:
    book = HoldBook([Hold(ON_MODEL, HoldCause.PERMISSION, "r", since_ms=9)])
    book.put(HoldCause.CREDIT, MODEL, "r", 5)
    assert [hold.since_ms for hold in book.in_force()] == [5, 9]


def test_a_cause_that_lasts_is_probed_at_most_three_times_in_ten_minutes() -> None:
    book, probes_ms = a_book(), []
    for now_ms in range(0, 60 * MINUTE_MS, 1_000):
        if book.lets_go(MODEL, now_ms):
            probes_ms.append(now_ms)
            book.gone(MODEL, now_ms)
            book.put(HoldCause.CREDIT, MODEL, "no credit", now_ms + 200)
    assert probes_ms
    assert all(sum(start <= at < start + 10 * MINUTE_MS for at in probes_ms) <= 3 for start in probes_ms)
