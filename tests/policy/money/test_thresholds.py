"""Thresholds: told once, ended by their cause, and never by turns."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from claudeflow.domain.budget import BudgetAct, BudgetChange
from claudeflow.policy.money.overrides import Overrides
from claudeflow.policy.money.settings import ThresholdSettings
from claudeflow.policy.money.thresholds import FELL, RAISED, Reading, ThresholdBook

HOLD = ThresholdSettings(0.8, "hold_all")
ON_FORECAST = ThresholdSettings(1.0, "slow", forecast=True)
MONTH_END, NEXT_END = 1_000, 2_000


def reading(spent: int, *, limit: int = 100, forecast: int | None = None, ends: int = MONTH_END) -> Reading:
    return Reading("team", "all", limit, spent, forecast, ends, (HOLD, ON_FORECAST))


def acts(book: ThresholdBook, now_ms: int = 1) -> list[str]:
    return [found.name for found in book.in_force(now_ms)]


def change(act: BudgetAct, **more: object) -> BudgetChange:
    return replace(BudgetChange(1, "team", act, "", "alice", 100), **more)  # type: ignore[arg-type]


def recorded(book: ThresholdBook, found: Reading, now_ms: int) -> list[BudgetChange]:
    turns = book.judge([found], now_ms)
    return [
        BudgetChange(
            now_ms,
            turn.standing.budget,
            BudgetAct.ENDED if turn.reason else BudgetAct.REACHED,
            turn.reason,
            "claudeflow",
            turn.standing.limit_nanousd,
            turn.standing.resets_ms,
            turn.standing.name,
        )
        for turn in turns
    ]


def test_a_threshold_is_told_once_in_a_period_and_anew_in_the_next() -> None:
    book = ThresholdBook()
    assert book.judge([reading(79)], 1) == []
    [turn] = book.judge([reading(80)], 2)
    assert (turn.is_new, turn.reason, acts(book)) == (True, "", ["hold_all at 80 %"])
    assert book.judge([reading(95)], 3) == []
    [ended] = book.judge([reading(1, ends=NEXT_END)], 1_001)
    assert ended.reason
    [turn] = book.judge([reading(90, ends=NEXT_END)], 1_002)
    assert turn.is_new


def test_raising_the_limit_ends_it_and_the_new_limit_is_told_again() -> None:
    book = ThresholdBook()
    book.judge([reading(85)], 1)
    [ended] = book.judge([reading(85, limit=110)], 2)
    assert (ended.reason, acts(book)) == (RAISED, [])
    [turn] = book.judge([reading(88, limit=110)], 3)
    assert turn.is_new


def test_a_limit_that_is_raised_too_little_changes_nothing() -> None:
    book = ThresholdBook()
    book.judge([reading(85)], 1)
    assert book.judge([reading(85, limit=105)], 2) == []


def test_a_forecast_that_wavers_around_the_threshold_does_not_flap() -> None:
    book = ThresholdBook()
    assert len(book.judge([reading(10, forecast=101)], 1)) == 1
    for wavering in (99, 102, 95, 91):
        assert book.judge([reading(10, forecast=wavering)], 2) == []
    [ended] = book.judge([reading(10, forecast=89)], 3)
    assert ended.reason == FELL
    [again] = book.judge([reading(10, forecast=105)], 4)
    assert not again.is_new
    assert acts(book) == ["slow at 100 % of the forecast"]


def test_without_a_forecast_nothing_begins_and_nothing_ends() -> None:
    book = ThresholdBook()
    assert book.judge([reading(10)], 1) == []
    book.judge([reading(10, forecast=120)], 2)
    assert book.judge([reading(10)], 3) == []
    assert acts(book) == ["slow at 100 % of the forecast"]


def test_a_threshold_that_is_not_configured_any_more_ends() -> None:
    book = ThresholdBook()
    book.judge([reading(85)], 1)
    [ended] = book.judge([replace(reading(85), thresholds=())], 2)
    assert ended.reason
    assert acts(book) == []


def test_a_release_lasts_until_its_end_or_until_the_limit_is_set() -> None:
    book = ThresholdBook()
    book.judge([reading(85)], 1)
    book.release("team", MONTH_END)
    assert (acts(book), book.released_until("team", 2)) == ([], MONTH_END)
    assert book.judge([reading(90)], 2) == []
    book.limit_set("team")
    assert acts(book) == ["hold_all at 80 %"]


@given(
    st.lists(
        st.tuples(st.integers(0, 150), st.sampled_from([80, 100, 120]), st.none() | st.integers(50, 150)),
        max_size=30,
    )
)
def test_a_book_read_from_the_record_is_the_book_that_wrote_it(
    steps: list[tuple[int, int, int | None]],
) -> None:
    book, record = ThresholdBook(), []
    for now_ms, (spent, limit, expected) in enumerate(steps, 1):
        found = reading(spent, limit=limit, forecast=expected)
        record += recorded(book, found, now_ms)
        again = ThresholdBook(record)
        assert again.in_force(now_ms) == book.in_force(now_ms)
        assert again.judge([found], now_ms) == book.judge([found], now_ms) == []


def test_the_last_limit_counts_and_one_until_the_reset_gives_way_to_the_one_before() -> None:
    limits = Overrides([change(BudgetAct.SET, limit_nanousd=200, configured_nanousd=100)])
    limits.note(change(BudgetAct.SET, limit_nanousd=300, configured_nanousd=100, until_ms=MONTH_END))
    assert [getattr(limits.of("team", 100, now_ms), "limit_nanousd", None) for now_ms in (5, 1_000)] == [
        300,
        200,
    ]
    limits.note(change(BudgetAct.SET, limit_nanousd=250, configured_nanousd=100))
    assert getattr(limits.of("team", 100, 5), "limit_nanousd", None) == 250


def test_a_limit_changed_in_the_configuration_since_wins() -> None:
    limits = Overrides([change(BudgetAct.SET, limit_nanousd=200, configured_nanousd=100)])
    assert limits.of("team", 150, 5) is None
    assert limits.of("other", 100, 5) is None
