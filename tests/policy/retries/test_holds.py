"""Holds in force, and the one call that may test whether the cause is over."""

from __future__ import annotations

from dataclasses import replace

import pytest

from claudeflow.domain.hold import EVERYTHING, Hold, HoldCause, Scope, ScopeKind
from claudeflow.domain.job import Candidate, JobId
from claudeflow.policy.retries.holds import Change, HoldBook, Stop, scope_of, scopes_of
from claudeflow.policy.retries.probing import (
    FIRST_PROBE_MS,
    MINUTE_MS,
    PROBE_EVERY_MS,
    PROBES_WITHIN_MS,
    SOON_MS,
)

MODEL = "claude-haiku-5-5"
OTHER = "claude-opus-5-5"
POOL = "haiku-5.5"
ON_MODEL = Scope(ScopeKind.MODEL, MODEL)
AUTOMATIC = [cause for cause in HoldCause if cause not in (HoldCause.MANUAL, HoldCause.BUDGET)]


def a_job(number: int = 17, **changes: object) -> Candidate:
    """A waiting job of the lane `bulk`."""
    job = Candidate(JobId(number), "bulk", "triage", MODEL, 0, 0, None, 100, 100, None)
    return replace(job, **changes)  # type: ignore[arg-type]


def sent(book: HoldBook, number: int = 17, now_ms: int = 0, model: str = MODEL) -> JobId:
    """A call that is out."""
    job = a_job(number, model=model)
    book.gone(job, POOL, now_ms)
    return job.id


def a_book(cause: HoldCause = HoldCause.CREDIT) -> HoldBook:
    """A hold that a call set at moment 0."""
    book = HoldBook()
    book.showed(sent(book, 1), cause, MODEL, "the reason", 0)
    return book


def a_probing_book(cause: HoldCause = HoldCause.CREDIT) -> tuple[HoldBook, JobId]:
    """A hold whose first probe is out since its first moment."""
    book = a_book(cause)
    return book, sent(book, 2, FIRST_PROBE_MS)


def lets_go(book: HoldBook, now_ms: int, number: int = 17, **changes: object) -> bool:
    return book.lets_go(a_job(number, **changes), POOL, now_ms)


def by_hand(scope: Scope, until_ms: int | None = None, since_ms: int = 0) -> Hold:
    """A hold that a person wants."""
    return Hold(scope, HoldCause.MANUAL, "maintenance", since_ms, until_ms=until_ms, set_by="anna")


@pytest.mark.parametrize("cause", HoldCause)
def test_a_cause_stops_a_model_or_everything(cause: HoldCause) -> None:
    by_model = cause in {HoldCause.PERMISSION, HoldCause.MODEL_NOT_FOUND}
    assert scope_of(cause, MODEL) == (ON_MODEL if by_model else EVERYTHING)


def test_without_a_hold_everything_goes() -> None:
    book = HoldBook()
    call = sent(book)
    assert lets_go(book, 0)
    assert book.in_force(0) == ()
    assert book.went_well(call) == Change()


def test_under_a_hold_on_everything_nothing_goes() -> None:
    book = a_book()
    assert not lets_go(book, 1)
    assert not lets_go(book, 1, model=OTHER)


def test_under_a_hold_on_a_model_the_others_go() -> None:
    book = a_book(HoldCause.MODEL_NOT_FOUND)
    assert not lets_go(book, 1)
    assert lets_go(book, 1, model=OTHER)


@pytest.mark.parametrize("scope", list(scopes_of(a_job(), POOL)), ids=str)
def test_a_person_can_hold_every_scope_of_a_job_and_others_go_on(scope: Scope) -> None:
    book = HoldBook()
    book.set_by_hand(by_hand(scope))
    assert not lets_go(book, 10**15)
    stranger = a_job(18, lane="interactive", workflow="reports", model=OTHER)
    assert book.lets_go(stranger, "opus-5.5", 0) == (scope != EVERYTHING)
    assert book.stops(a_job(), POOL, 0) == Stop(by_hand(scope), None)


def test_when_the_time_has_come_one_probe_goes_and_nobody_else() -> None:
    book = a_book()
    assert not lets_go(book, FIRST_PROBE_MS - 1)
    assert lets_go(book, FIRST_PROBE_MS)
    call = sent(book, 2, FIRST_PROBE_MS)
    assert [hold.scope for hold in book.probed_by(call)] == [EVERYTHING]
    assert not lets_go(book, FIRST_PROBE_MS)
    stop = book.stops(a_job(), POOL, FIRST_PROBE_MS)
    assert stop is not None
    assert stop.until_ms is None


def test_who_is_stopped_is_told_when_to_look_again() -> None:
    stop = a_book().stops(a_job(), POOL, 1)
    assert stop is not None
    assert stop.until_ms == FIRST_PROBE_MS


def test_a_probe_that_goes_well_ends_the_hold() -> None:
    book, probe = a_probing_book()
    (ended,) = book.went_well(probe).ended
    assert ended.scope == EVERYTHING
    assert book.in_force(0) == ()
    assert lets_go(book, FIRST_PROBE_MS + 1)


def test_a_probe_that_shows_the_cause_again_renews_the_hold() -> None:
    book, probe = a_probing_book()
    change = book.showed(probe, HoldCause.CREDIT, MODEL, "still no credit", 500_000)
    (renewed,) = change.kept
    assert change.begun == ()
    assert (renewed.since_ms, renewed.reason) == (0, "still no credit")
    assert renewed.probe_at_ms == 500_000 + PROBE_EVERY_MS
    assert lets_go(book, 500_000 + PROBE_EVERY_MS)


def test_a_probe_that_shows_another_cause_begins_another_hold() -> None:
    book, probe = a_probing_book(HoldCause.AUTHENTICATION)
    change = book.showed(probe, HoldCause.CREDIT, MODEL, "no credit", 500_000)
    (begun,) = change.begun
    assert (begun.cause, begun.since_ms, change.kept) == (HoldCause.CREDIT, 500_000, ())
    assert book.in_force(0) == (begun,)


@pytest.mark.parametrize(("vain", "wait_ms"), [(1, SOON_MS), (2, 2 * SOON_MS), (3, 4 * SOON_MS)])
def test_a_probe_that_proves_nothing_may_go_again_soon_but_ever_later(vain: int, wait_ms: int) -> None:
    book, now_ms = a_book(), FIRST_PROBE_MS
    for number in range(vain):
        probe = sent(book, number + 2, now_ms)
        (kept,) = book.proved_nothing(probe, now_ms, left=False).kept
        now_ms = kept.probe_at_ms or 0
    assert now_ms == FIRST_PROBE_MS + sum(SOON_MS << n for n in range(vain))
    assert not lets_go(book, now_ms - 1)
    assert lets_go(book, now_ms)
    assert wait_ms == SOON_MS << (vain - 1)


def test_after_a_probe_that_proved_nothing_the_cause_is_probed_as_before() -> None:
    book, probe = a_probing_book()
    book.proved_nothing(probe, FIRST_PROBE_MS, left=True)
    again = sent(book, 3, FIRST_PROBE_MS + SOON_MS)
    (kept,) = book.showed(again, HoldCause.CREDIT, MODEL, "r", 100_000).kept
    assert kept.probe_at_ms == 100_000 + PROBE_EVERY_MS
    third = sent(book, 4, kept.probe_at_ms)
    (kept,) = book.proved_nothing(third, kept.probe_at_ms, left=False).kept
    assert kept.probe_at_ms == 100_000 + PROBE_EVERY_MS + SOON_MS


def test_a_call_that_went_out_before_the_hold_has_no_say_in_it() -> None:
    book = HoldBook()
    early, first = sent(book, 1), sent(book, 2)
    book.showed(first, HoldCause.CREDIT, MODEL, "r", 10)
    assert book.went_well(early) == Change()
    assert len(book.in_force(0)) == 1


def test_forty_calls_that_show_the_same_cause_are_one_hold_with_its_first_probe_time() -> None:
    book = HoldBook()
    calls = [sent(book, number) for number in range(1, 41)]
    changes = [book.showed(call, HoldCause.AUTHENTICATION, MODEL, "r", 1_000 * call) for call in calls]
    assert [len(change.begun) for change in changes] == [1] + 39 * [0]
    assert all(not change.kept for change in changes)
    (hold,) = book.in_force(0)
    assert hold.probe_at_ms == 1_000 + FIRST_PROBE_MS


def test_a_late_failure_does_not_disturb_a_probe_that_is_out() -> None:
    book = HoldBook()
    late, first = sent(book, 1), sent(book, 2)
    book.showed(first, HoldCause.CREDIT, MODEL, "r", 0)
    probe = sent(book, 3, FIRST_PROBE_MS)
    assert book.showed(late, HoldCause.CREDIT, MODEL, "r", FIRST_PROBE_MS + 5) == Change()
    assert not lets_go(book, 10**12)
    assert len(book.went_well(probe).ended) == 1


def test_an_old_failure_that_comes_late_does_not_put_a_hold_that_a_newer_probe_has_ended() -> None:
    book = HoldBook()
    late, first = sent(book, 1), sent(book, 2)
    book.showed(first, HoldCause.CREDIT, MODEL, "r", 0)
    book.went_well(sent(book, 3, FIRST_PROBE_MS))
    assert book.showed(late, HoldCause.CREDIT, MODEL, "r", FIRST_PROBE_MS + 9) == Change()
    assert lets_go(book, FIRST_PROBE_MS + 9)


def test_a_failure_of_a_call_that_left_after_the_probe_is_news() -> None:
    book, probe = a_probing_book()
    book.went_well(probe)
    newer = sent(book, 5, FIRST_PROBE_MS + 1)
    change = book.showed(newer, HoldCause.CREDIT, MODEL, "gone again", FIRST_PROBE_MS + 9)
    assert [hold.reason for hold in change.begun] == ["gone again"]


def test_one_probe_may_end_a_hold_on_its_model_and_one_on_everything() -> None:
    book = HoldBook()
    first, second = sent(book, 1), sent(book, 2)
    book.showed(first, HoldCause.CREDIT, MODEL, "r", 0)
    book.showed(second, HoldCause.PERMISSION, MODEL, "no access", 5)
    assert lets_go(book, 5 + FIRST_PROBE_MS)
    probe = sent(book, 3, 5 + FIRST_PROBE_MS)
    assert {hold.scope for hold in book.went_well(probe).ended} == {EVERYTHING, ON_MODEL}


def test_a_probe_for_everything_that_finds_its_model_gone_leaves_the_probing_to_another() -> None:
    book, probe = a_probing_book()
    change = book.showed(probe, HoldCause.MODEL_NOT_FOUND, MODEL, "no such model", 300_000)
    assert [hold.scope for hold in change.begun] == [ON_MODEL]
    assert [hold.scope for hold in change.kept] == [EVERYTHING]
    assert lets_go(book, 300_000 + SOON_MS, model=OTHER)
    assert not lets_go(book, 300_000 + SOON_MS)


def test_a_probe_of_a_held_model_that_finds_the_credit_gone_holds_everything() -> None:
    book, probe = a_probing_book(HoldCause.MODEL_NOT_FOUND)
    change = book.showed(probe, HoldCause.CREDIT, MODEL, "no credit", 300_000)
    assert [hold.scope for hold in change.begun] == [EVERYTHING]
    assert {hold.scope for hold in book.in_force(0)} == {EVERYTHING, ON_MODEL}


def test_a_call_that_never_left_leaves_the_probing_to_the_next_one_at_once() -> None:
    book, probe = a_probing_book()
    book.never_left(JobId(99))
    assert not lets_go(book, FIRST_PROBE_MS)
    book.never_left(probe)
    assert lets_go(book, FIRST_PROBE_MS)
    assert book.in_force(0)[0].probed_ms == ()


def test_a_hold_by_hand_and_another_on_the_same_scope_do_not_know_of_each_other() -> None:
    book = a_book()
    book.set_by_hand(by_hand(EVERYTHING))
    mine, other = book.on(EVERYTHING)
    assert (mine.cause, other.cause) == (HoldCause.MANUAL, HoldCause.CREDIT)
    assert not lets_go(book, FIRST_PROBE_MS)
    book.release(mine)
    assert book.on(EVERYTHING) == (other,)
    assert lets_go(book, FIRST_PROBE_MS)
    book.set_by_hand(by_hand(EVERYTHING))
    book.release(other)
    assert [hold.cause for hold in book.on(EVERYTHING)] == [HoldCause.MANUAL]
    assert not lets_go(book, 10**12)


def test_a_probe_that_goes_well_does_not_end_a_hold_that_a_person_set_meanwhile() -> None:
    book, probe = a_probing_book()
    book.set_by_hand(by_hand(EVERYTHING))
    assert [hold.cause for hold in book.went_well(probe).ended] == [HoldCause.CREDIT]
    assert [hold.cause for hold in book.in_force(0)] == [HoldCause.MANUAL]


def test_what_was_released_by_hand_is_not_put_again_by_calls_that_were_out() -> None:
    book = HoldBook()
    late, first = sent(book, 1), sent(book, 2)
    (hold,) = book.showed(first, HoldCause.SPEND_CAP, MODEL, "cap", 0).begun
    book.release(hold)
    book.release(hold)
    assert book.showed(late, HoldCause.SPEND_CAP, MODEL, "cap", 5) == Change()
    newer = sent(book, 3)
    assert len(book.showed(newer, HoldCause.SPEND_CAP, MODEL, "cap", 6).begun) == 1


def test_a_hold_released_by_hand_while_its_probe_is_out_ends_only_once() -> None:
    book, probe = a_probing_book()
    book.release(book.in_force(0)[0])
    assert book.went_well(probe) == Change()


def test_a_hold_by_hand_has_no_probes_and_ends_at_its_time() -> None:
    book = HoldBook()
    hold = by_hand(EVERYTHING, until_ms=1_000)
    book.set_by_hand(hold)
    assert not lets_go(book, 999)
    assert book.stops(a_job(), POOL, 5) == Stop(hold, 1_000)
    assert book.expired(999) == ()
    assert lets_go(book, 1_000)
    assert book.in_force(1_000) == ()
    assert book.expired(1_000) == (hold,)
    book.release(hold)
    book.release(hold)
    assert book.expired(10**12) == ()


def test_holding_again_by_hand_changes_reason_and_end_but_not_the_beginning() -> None:
    book = HoldBook()
    book.set_by_hand(by_hand(EVERYTHING, since_ms=5))
    again = book.set_by_hand(replace(by_hand(EVERYTHING, until_ms=99, since_ms=50), reason="longer"))
    assert (again.since_ms, again.until_ms, again.reason) == (5, 99, "longer")
    assert book.in_force(0) == (again,)


def test_holds_come_back_after_a_restart_which_probes_at_once() -> None:
    book = a_book()
    book.set_by_hand(by_hand(Scope(ScopeKind.LANE, "bulk")))
    again = HoldBook(book.in_force(0), now_ms=500)
    assert not lets_go(again, 500)
    assert lets_go(again, 500, lane="interactive")
    kept = HoldBook(book.in_force(0))
    assert set(kept.in_force(0)) == set(book.in_force(0))


def test_a_hold_without_a_moment_for_its_probe_waits() -> None:
    hold = Hold(EVERYTHING, HoldCause.CREDIT, "r", since_ms=0)
    assert not lets_go(HoldBook([hold]), 10**15)


def test_restarts_again_and_again_do_not_make_a_fourth_probe() -> None:
    book, probes = a_book(), 0
    for now_ms in range(0, PROBES_WITHIN_MS, 5_000):
        book = HoldBook(book.in_force(now_ms), now_ms)
        if lets_go(book, now_ms):
            probes += 1
            book.showed(sent(book, probes, now_ms), HoldCause.CREDIT, MODEL, "r", now_ms)
    assert probes == 3


def test_a_change_that_may_have_ended_a_cause_is_probed_at_once_and_the_probe_that_is_out_is_void() -> None:
    book, old = a_probing_book(HoldCause.AUTHENTICATION)
    (kept,) = book.probe_now(HoldCause.AUTHENTICATION, 70_000)
    assert (kept.probe_at_ms, kept.probed_ms) == (70_000, ())
    assert lets_go(book, 70_000)
    new = sent(book, 5, 70_000)
    assert book.showed(old, HoldCause.AUTHENTICATION, MODEL, "the old key", 70_010) == Change()
    assert len(book.went_well(new).ended) == 1
    assert book.probe_now(HoldCause.AUTHENTICATION, 80_000) == ()


def test_another_cause_is_not_probed_for_that() -> None:
    book = a_book(HoldCause.CREDIT)
    assert book.probe_now(HoldCause.AUTHENTICATION, 5) == ()
    assert not lets_go(book, 5)


def test_holds_are_listed_the_oldest_first() -> None:
    book = HoldBook([Hold(ON_MODEL, HoldCause.PERMISSION, "r", since_ms=9)])
    book.set_by_hand(by_hand(EVERYTHING, since_ms=7))
    book.showed(sent(book, 3, 0, OTHER), HoldCause.CREDIT, OTHER, "r", 5)
    assert [hold.since_ms for hold in book.in_force(0)] == [5, 7, 9]


@pytest.mark.parametrize("cause", AUTOMATIC)
@pytest.mark.parametrize("ends", ["refused", "in vain", "mixed"])
def test_a_cause_that_lasts_is_probed_at_most_three_times_in_ten_minutes(cause: HoldCause, ends: str) -> None:
    book, probes_ms = a_book(cause), []
    for now_ms in range(0, 180 * MINUTE_MS, 1_000):
        if not lets_go(book, now_ms):
            continue
        probe = sent(book, now_ms, now_ms)
        probes_ms.append(now_ms)
        if ends == "refused" or (ends == "mixed" and len(probes_ms) % 3 == 0):
            book.showed(probe, cause, MODEL, "the reason", now_ms + 200)
        else:
            book.proved_nothing(probe, now_ms + 200, left=True)
    assert probes_ms
    within = [sum(start <= at < start + 10 * MINUTE_MS for at in probes_ms) for start in probes_ms]
    assert max(within) <= 3


def of_a_budget(since_ms: int, until_ms: int, reason: str = "the budget is spent") -> Hold:
    return Hold(EVERYTHING, HoldCause.BUDGET, reason, since_ms, until_ms=until_ms, set_by="budget team")


def test_a_budgets_hold_that_is_put_again_in_the_next_period_holds_there() -> None:
    book = HoldBook()
    old, new = of_a_budget(5, 1_000), of_a_budget(1_010, 2_000)
    assert book.keep_of_budgets([old]) == Change(begun=(old,))
    assert book.keep_of_budgets([new]) == Change(begun=(new,), ended=(old,))
    assert book.in_force(1_010) == (new,)
    assert book.stops(a_job(), POOL, 1_010) == Stop(new, 2_000)


def test_a_budgets_hold_that_lasts_keeps_its_beginning_and_gives_the_present_reason() -> None:
    book = HoldBook()
    book.keep_of_budgets([of_a_budget(5, 1_000)])
    assert book.keep_of_budgets([of_a_budget(9, 1_000)]) == Change()
    lasting = of_a_budget(5, 1_000, "of $3.20")
    assert book.keep_of_budgets([of_a_budget(9, 1_000, "of $3.20")]) == Change(kept=(lasting,))
    assert book.in_force(10) == (lasting,)
