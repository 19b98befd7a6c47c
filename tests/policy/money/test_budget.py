"""Budgets: what fits goes, nothing passes a hard limit, and every reservation comes back once."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claudeflow.policy.money.accounts import MustWait, Reservation, Shortage
from claudeflow.policy.money.budget import DAY_MS, BudgetBook, BudgetStatus, DaySpend
from claudeflow.policy.money.scopes import Budget, BudgetScope, CallScope, Lapse, Period, period_of
from claudeflow.policy.money.settings import BudgetSettings

USD = 1_000_000_000
TRIAGE = CallScope("standard", "ticket-triage")
REPORTS = CallScope("bulk", "reports")


def at(moment: str) -> int:
    """A moment (UTC) in epoch milliseconds."""
    return int(datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp() * 1_000)


NOW = at("2026-11-24T10:17:00")


def a_budget(
    usd: float = 500, *, name: str = "team", scope: str = "all", period: Period = "month", hard: bool = True
) -> Budget:
    return Budget(name, BudgetScope.parse(scope), period, round(usd * USD), hard)


def reserved(
    book: BudgetBook, usd: float, *, call: CallScope = TRIAGE, now_ms: int = NOW, expected: float = 0
) -> Reservation:
    verdict = book.reserve(call, round(usd * USD), round(expected * USD), now_ms)
    assert isinstance(verdict, Reservation), verdict
    return verdict


def refused(book: BudgetBook, usd: float, *, call: CallScope = TRIAGE, now_ms: int = NOW) -> MustWait:
    verdict = book.reserve(call, round(usd * USD), 0, now_ms)
    assert isinstance(verdict, MustWait)
    return verdict


def of(book: BudgetBook, name: str = "team", now_ms: int = NOW) -> BudgetStatus:
    return next(status for status in book.status(now_ms) if status.budget.name == name)


def test_calls_go_while_the_most_they_can_cost_fits() -> None:
    book = BudgetBook([a_budget(10)])
    first = reserved(book, 6)
    assert refused(book, 5).shortage is Shortage.IN_FLIGHT
    book.settle(first, 1 * USD)
    reserved(book, 5)
    reserved(book, 4)
    assert refused(book, 0.000000001).until_ms is None


def test_a_call_dearer_than_what_is_left_cannot_go_but_a_smaller_one_may() -> None:
    book = BudgetBook([a_budget(10)])
    book.settle(reserved(book, 10), 8 * USD)
    refusal = refused(book, 3)
    assert refusal.shortage is Shortage.TOO_DEAR
    assert refusal.until_ms == at("2026-12-01T00:00:00")
    book.settle(reserved(book, 2), 2 * USD)
    assert refused(book, 0.000000001).shortage is Shortage.SPENT
    reserved(book, 0)


def test_a_refusal_says_what_was_spent_until_when_and_the_way_out() -> None:
    book = BudgetBook([a_budget(500)])
    book.settle(reserved(book, 500), round(499.98 * USD))
    assert refused(book, 0.05).why == (
        "budget team: $499.98 of $500.00 spent until 1 December; raise it with "
        "`claudeflow budget set team 600` (this call may cost $0.050000)"
    )
    book.settle(reserved(book, 0.02), None)
    assert refused(book, 0.05).why == (
        "budget team: $500.00 of $500.00 spent, $0.020000 of it at most until 1 December; raise it with "
        "`claudeflow budget set team 600`"
    )


def test_the_limit_that_is_proposed_has_room_for_the_call() -> None:
    book = BudgetBook([a_budget(10, period="day")])
    book.settle(reserved(book, 10), round(9.5 * USD))
    assert "set team 12`" in refused(book, 1).why
    assert "set team 30.5`" in refused(book, 20.9991).why
    assert "until 25 November 00:00 UTC" in refused(book, 1).why
    tiny = BudgetBook([a_budget(0.000_004)])
    assert "set team 0.0000124`" in refused(tiny, 0.000_012_340_1).why


def test_whoever_waits_for_calls_under_way_is_told_how_many() -> None:
    book = BudgetBook([a_budget(10)])
    reserved(book, 7)
    assert refused(book, 4).why == (
        "budget team: $10.00 of $10.00 left, of which 1 call under way may need $7.00; this one may cost "
        "$4.00 and goes when they have settled"
    )


def test_every_budget_that_covers_a_call_must_have_room() -> None:
    budgets = [
        a_budget(100),
        a_budget(10, name="bulk", scope="lane:bulk", period="day"),
        a_budget(5, name="reports", scope="workflow:reports"),
    ]
    book = BudgetBook(budgets)
    assert refused(book, 6, call=REPORTS).budget.name == "reports"
    assert refused(book, 11, call=CallScope("bulk", "other")).budget.name == "bulk"
    assert refused(book, 6, call=CallScope("standard", "reports")).budget.name == "reports"
    reserved(book, 90)
    assert refused(book, 11).budget.name == "team"
    assert of(book, "reports").reserved_nanousd == of(book, "bulk").reserved_nanousd == 0


def test_a_refusal_that_lasts_longer_outweighs_one_that_ends_when_calls_settle() -> None:
    book = BudgetBook([a_budget(100), a_budget(10, name="day", period="day")])
    book.settle(reserved(book, 8), 8 * USD)
    reserved(book, 1)
    refusal = refused(book, 3)
    assert refusal.budget.name == "day"
    assert refusal.shortage is Shortage.TOO_DEAR


def test_an_unknown_call_counts_with_all_that_was_reserved() -> None:
    book = BudgetBook([a_budget(10)])
    book.settle(reserved(book, 6), None)
    assert of(book).unknown_nanousd == 6 * USD
    assert refused(book, 5).shortage is Shortage.TOO_DEAR
    reserved(book, 4)


def test_a_limit_set_for_a_time_ends_with_the_first_call_of_the_next_period() -> None:
    turn = at("2026-11-25T00:00:00")
    before = a_budget(10, period="day")
    book = BudgetBook([Budget("team", before.scope, "day", 50 * USD, lapse=Lapse(turn, before))])
    reserved(book, 50, now_ms=turn - 1)
    assert refused(book, 11, now_ms=turn).budget == before
    reserved(book, 10, now_ms=turn)
    assert of(book, now_ms=turn).left_nanousd == 10 * USD
    assert of(book, now_ms=turn - 1).budget.limit_nanousd == 50 * USD


def test_a_limit_set_for_a_time_may_end_within_a_period() -> None:
    lapse = Lapse(NOW + 1_000, a_budget(10))
    book = BudgetBook([Budget("team", BudgetScope("all"), "month", 50 * USD, lapse=lapse)])
    reserved(book, 9)
    reserved(book, 1, now_ms=NOW + 1_000)
    assert refused(book, 1, now_ms=NOW + 1_000).shortage is Shortage.IN_FLIGHT


def test_settling_twice_changes_nothing() -> None:
    book = BudgetBook([a_budget(10)])
    call = reserved(book, 6)
    assert book.settle(call, 1 * USD)
    before = of(book)
    assert not book.settle(call, 5 * USD)
    assert not book.settle(call, None)
    assert of(book) == before


def test_a_soft_budget_counts_what_is_expected_and_stops_nothing() -> None:
    book = BudgetBook([a_budget(1, hard=False)])
    reserved(book, 50, expected=0.4)
    call = reserved(book, 50, expected=0.3)
    status = of(book)
    assert status.expected_nanousd == round(0.7 * USD)
    assert status.state == "open"
    book.settle(call, 3 * USD)
    assert of(book).expected_nanousd == round(0.4 * USD)
    assert of(book).left_nanousd == -2 * USD


@pytest.mark.parametrize(
    ("period", "last", "first", "next_turn"),
    [
        ("month", "2026-11-30T23:59:59.999", "2026-12-01T00:00:00", "2027-01-01T00:00:00"),
        ("month", "2026-12-31T23:59:59.999", "2027-01-01T00:00:00", "2027-02-01T00:00:00"),
        ("month", "2028-02-29T23:59:59.999", "2028-03-01T00:00:00", "2028-04-01T00:00:00"),
        ("day", "2026-11-24T23:59:59.999", "2026-11-25T00:00:00", "2026-11-26T00:00:00"),
    ],
)
def test_a_new_period_begins_with_nothing_spent(
    period: Period, last: str, first: str, next_turn: str
) -> None:
    book = BudgetBook([a_budget(10, period=period)])
    book.settle(reserved(book, 10, now_ms=at(last)), 10 * USD)
    assert refused(book, 1, now_ms=at(last)).until_ms == at(first)
    reserved(book, 10, now_ms=at(first))
    assert of(book, now_ms=at(first)).resets_ms == at(next_turn)


def test_a_call_counts_in_the_period_in_which_it_was_opened() -> None:
    last, first = at("2026-11-30T23:59:59"), at("2026-12-01T00:00:01")
    book = BudgetBook([a_budget(10)])
    under_way = reserved(book, 10, now_ms=last)
    reserved(book, 10, now_ms=first)
    book.settle(under_way, 9 * USD)
    assert of(book, now_ms=first).spent_nanousd == 0
    assert of(book, now_ms=last).spent_nanousd == 9 * USD


def test_a_clock_that_is_set_back_finds_what_was_spent_then() -> None:
    last, first = at("2026-11-30T23:59:59"), at("2026-12-01T00:00:01")
    book = BudgetBook([a_budget(10)])
    book.settle(reserved(book, 10, now_ms=last), 9 * USD)
    reserved(book, 10, now_ms=first)
    assert refused(book, 2, now_ms=last).shortage is Shortage.TOO_DEAR
    assert refused(book, 1, now_ms=first).shortage is Shortage.IN_FLIGHT


def test_what_was_spent_before_the_start_counts() -> None:
    spent = [
        DaySpend(at("2026-10-31"), TRIAGE, 100 * USD, 0),
        DaySpend(at("2026-11-01"), TRIAGE, 3 * USD, 1 * USD),
        DaySpend(at("2026-11-24"), REPORTS, 2 * USD, 0),
    ]
    book = BudgetBook([a_budget(10), a_budget(5, name="day", period="day")], spent)
    assert (of(book).spent_nanousd, of(book).unknown_nanousd) == (5 * USD, 1 * USD)
    assert of(book, "day").spent_nanousd == 2 * USD


def test_a_limit_can_be_changed_while_calls_are_under_way() -> None:
    book = BudgetBook([a_budget(10)])
    call = reserved(book, 10)
    book.reconfigure([a_budget(12), a_budget(5, name="lane", scope="lane:standard")])
    assert of(book).reserved_nanousd == of(book, "lane").reserved_nanousd == 10 * USD
    assert refused(book, 2).budget.name == "lane"
    book.settle(call, 1 * USD)
    book.reconfigure([a_budget(0.5)])
    assert of(book).left_nanousd == round(-0.5 * USD)
    assert refused(book, 0.1).shortage is Shortage.SPENT
    book.reconfigure([])
    reserved(book, 1_000)
    assert book.status(NOW) == ()


def test_status_says_who_waits_until_a_call_goes() -> None:
    book = BudgetBook([a_budget(10)])
    call = reserved(book, 8)
    book.turned_away(refused(book, 3), NOW)
    assert of(book).state == "waiting"
    book.settle(call, 8 * USD)
    book.turned_away(refused(book, 3), NOW)
    assert of(book).state == "held"
    assert "raise it" in (of(book).why or "")
    reserved(book, 1)
    assert (of(book).state, of(book).why) == ("open", None)


@pytest.mark.parametrize("scope", ["", "alle", "lane", "lane:", "pool:x", "all:x"])
def test_a_scope_that_is_none_is_refused(scope: str) -> None:
    with pytest.raises(ValueError, match="workflow:NAME"):
        Budget.of("team", BudgetSettings(1.0, scope))


CALLS = st.tuples(
    st.sampled_from([TRIAGE, REPORTS, CallScope("bulk", "ticket-triage")]),
    st.integers(0, 12),
    st.floats(0, 1),
    st.sampled_from(["settle", "unknown", "settle", "never left"]),
    st.integers(0, 3 * DAY_MS),
)
BUDGETS = [
    a_budget(40e-9),
    a_budget(15e-9, name="day", period="day"),
    a_budget(20e-9, name="bulk", scope="lane:bulk"),
    a_budget(9e-9, name="reports", scope="workflow:reports", period="day"),
]


@settings(max_examples=200, deadline=None)
@given(st.lists(CALLS, max_size=60), st.randoms(use_true_random=False))
def test_no_sequence_of_calls_passes_any_limit(
    calls: list[tuple[CallScope, int, float, str, int]], random: Random
) -> None:
    """Against sums made anew from the list of all calls."""
    book = BudgetBook(BUDGETS)
    under_way: list[tuple[Reservation, float, str]] = []
    worst: list[tuple[CallScope, int, int]] = []
    start = at("2026-11-29T12:00:00")
    for call, bound, share, end, moment in sorted(calls, key=lambda one: one[4]):
        now_ms = start + moment
        verdict = book.reserve(call, bound, 0, now_ms)
        if isinstance(verdict, Reservation):
            under_way.append((verdict, share, end))
        while under_way and random.random() < 0.5:
            done, spent, fate = under_way.pop(random.randrange(len(under_way)))
            cost = {"unknown": None, "never left": 0}.get(fate, int(spent * done.bound_nanousd))
            book.settle(done, cost)
            worst.append((done.call, done.at_ms, done.bound_nanousd if cost is None else cost))
        at_worst = worst + [(one.call, one.at_ms, one.bound_nanousd) for one, _, _ in under_way]
        for budget in BUDGETS:
            begins_ms, ends_ms = period_of(budget.period, now_ms)
            sums = [
                cost
                for scope, at_ms, cost in at_worst
                if budget.scope.covers(scope) and begins_ms <= at_ms < ends_ms
            ]
            status = of(book, budget.name, now_ms)
            assert status.spent_nanousd + status.unknown_nanousd + status.reserved_nanousd == sum(sums)
            assert sum(sums) <= budget.limit_nanousd
