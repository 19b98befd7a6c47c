"""What is drift, and what is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeflow.domain.reconciliation import (
    COST,
    DAY_MS,
    HOUR_MS,
    KINDS,
    BillingReport,
    Books,
    Cell,
    Compared,
    LooseCall,
    Sums,
)
from claudeflow.policy.money.reconcile import (
    CALLS_MISSING,
    FRESH_MS,
    MOST_DAYS,
    NOTHING_REPORTED,
    OTHER_KEYS,
    PAST_US,
    WRONG_PRICE,
    Window,
    model_key,
    reconcile,
    window_of,
)

DAY = 20_000 * DAY_MS
MODEL = "claude-haiku-5-5"
CELL = Cell(DAY, MODEL, "standard")
NEXT = CELL._replace(day_ms=DAY + DAY_MS)
TWO_DAYS = Window(DAY, DAY + 2 * DAY_MS)
SUMS = Sums(1_000, 200, 300, 400, 500, 6, 7_000_000)
ONE = Sums(10, 2, 3, 4, 5, 1, 70_000)


def a_report(usage: dict[Cell, Sums], **changes: Any) -> BillingReport:
    ordinary: dict[str, Any] = {
        "source": "analytics",
        "scope": "the whole organisation",
        "rounding_nanousd": {},
        "costs_since_ms": TWO_DAYS.since_ms,
        "costs_until_ms": TWO_DAYS.until_ms,
        "complete_until_ms": TWO_DAYS.until_ms,
        "whole_organization": True,
    }
    return BillingReport(usage=usage, **(ordinary | changes))


def compared(
    ours: dict[Cell, Sums],
    theirs: dict[Cell, Sums],
    *loose: LooseCall,
    tolerance: float = 0.0,
    window: Window = TWO_DAYS,
    **report: Any,
) -> dict[Cell, Compared]:
    found = reconcile(Books(ours, loose), a_report(theirs, **report), window, tolerance)
    return {one.cell: one for one in found.cells}


def a_loose_call(opened_ms: int, ended_ms: int | None, sums: Sums | None = None) -> LooseCall:
    return LooseCall(MODEL, "standard", opened_ms, ended_ms, sums, 100_000)


def test_equal_numbers_agree() -> None:
    [cell] = compared({CELL: SUMS}, {CELL: SUMS}).values()
    assert (cell.drifts, cell.causes, cell.cost_is_compared) == ((), (), True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("by", [-1, 1])
def test_one_token_or_nano_dollar_is_drift(kind: str, by: int) -> None:
    theirs = replace(SUMS, **{kind: getattr(SUMS, kind) + by})
    [cell] = compared({CELL: SUMS}, {CELL: theirs}).values()
    [drift] = cell.drifts
    assert (drift.kind, drift.ours_least, drift.theirs) == (kind, getattr(SUMS, kind), getattr(theirs, kind))


@pytest.mark.parametrize(("off", "drifts"), [(10, 0), (11, 1)])
def test_a_share_is_tolerated(off: int, drifts: int) -> None:
    theirs = replace(SUMS, input_tokens=1_000 - off)
    [cell] = compared({CELL: SUMS}, {CELL: theirs}, tolerance=0.01).values()
    assert len(cell.drifts) == drifts


@pytest.mark.parametrize(("off", "drifts"), [(100, 0), (101, 1)])
def test_a_rounded_cost_is_tolerated(off: int, drifts: int) -> None:
    theirs = replace(SUMS, cost_nanousd=SUMS.cost_nanousd + off)
    [cell] = compared({CELL: SUMS}, {CELL: theirs}, rounding_nanousd={CELL: 100}).values()
    assert len(cell.drifts) == drifts


def test_dates_at_the_end_of_a_models_name_do_not_matter() -> None:
    dated = CELL._replace(model=f"{MODEL}-20251001")
    assert not any(cell.drifts for cell in compared({CELL: SUMS}, {dated: SUMS}).values())
    assert model_key("claude-haiku-4-5-20251001") == "claude-haiku-4-5"
    assert model_key("claude-opus-5-5") == "claude-opus-5-5"


def test_costs_are_compared_where_the_report_tells_them() -> None:
    theirs = {CELL: replace(SUMS, cost_nanousd=0), NEXT: replace(SUMS, cost_nanousd=0)}
    found = compared({CELL: SUMS, NEXT: SUMS}, theirs, costs_until_ms=DAY + DAY_MS)
    assert [drift.kind for drift in found[CELL].drifts] == [COST]
    assert (found[NEXT].drifts, found[NEXT].cost_is_compared) == ((), False)


def test_the_cost_of_the_priority_tier_is_not_compared() -> None:
    cell = CELL._replace(service_tier="priority")
    [found] = compared({cell: SUMS}, {cell: replace(SUMS, cost_nanousd=0)}).values()
    assert (found.drifts, found.cost_is_compared) == ((), False)


@given(st.sampled_from([0, 1]), st.integers(0, 100_000))
def test_an_unknown_call_costs_anything_up_to_its_bound(tokens: int, billed_nanousd: int) -> None:
    more = Sums(tokens, tokens, tokens, tokens, tokens, tokens, billed_nanousd)
    [cell] = compared({CELL: SUMS}, {CELL: SUMS + more}, a_loose_call(DAY, DAY + 9_000)).values()
    assert not cell.drifts
    assert cell.unknown is not None
    assert (cell.unknown.calls, cell.unknown.billed_nanousd) == (1, billed_nanousd)


@pytest.mark.parametrize("off", [-1, 100_001])
def test_beyond_the_bound_of_an_unknown_call_is_drift(off: int) -> None:
    theirs = replace(SUMS, cost_nanousd=SUMS.cost_nanousd + off)
    [cell] = compared({CELL: SUMS}, {CELL: theirs}, a_loose_call(DAY, DAY + 9_000)).values()
    assert [drift.kind for drift in cell.drifts] == [COST]
    assert cell.unknown is not None
    assert cell.unknown.billed_nanousd is None


def test_a_running_call_may_cost_something_on_every_day_since() -> None:
    found = compared({CELL: SUMS}, {CELL: SUMS, NEXT: ONE}, a_loose_call(DAY + 1, None))
    assert not any(cell.drifts for cell in found.values())


@pytest.mark.parametrize("booked", [CELL, NEXT], ids=["where we have it", "on the next day"])
def test_a_call_over_midnight_may_count_on_either_day(booked: Cell) -> None:
    loose = a_loose_call(DAY + DAY_MS - 2_000, DAY + DAY_MS + 3_000, ONE)
    theirs = {CELL: SUMS, NEXT: SUMS}
    theirs[booked] += ONE
    found = compared({CELL: SUMS + ONE, NEXT: SUMS}, theirs, loose)
    assert not any(cell.drifts for cell in found.values())


def test_clocks_may_differ_by_some_seconds_at_midnight_and_no_more() -> None:
    theirs = {CELL: SUMS, NEXT: ONE}
    near = a_loose_call(DAY + DAY_MS - 9_000, DAY + DAY_MS - 4_000, ONE)
    far = a_loose_call(DAY + DAY_MS - 19_000, DAY + DAY_MS - 14_000, ONE)
    assert not any(cell.drifts for cell in compared({CELL: SUMS + ONE}, theirs, near).values())
    assert any(cell.drifts for cell in compared({CELL: SUMS + ONE}, theirs, far).values())


@pytest.mark.parametrize(("after_ms", "drifts"), [(4_000, False), (6_000, True)])
def test_a_call_soon_after_midnight_may_count_on_the_day_before(after_ms: int, drifts: bool) -> None:
    midnight = DAY + DAY_MS
    loose = a_loose_call(midnight + after_ms, midnight + after_ms + 9_000, ONE)
    found = compared({CELL: SUMS, NEXT: SUMS + ONE}, {CELL: SUMS + ONE, NEXT: SUMS}, loose)
    assert any(cell.drifts for cell in found.values()) is drifts


def test_a_call_that_began_before_the_window_may_count_in_it() -> None:
    loose = a_loose_call(DAY - 1_000, DAY + 4_000, ONE)
    for theirs in (SUMS, SUMS + ONE):
        assert not any(cell.drifts for cell in compared({CELL: SUMS}, {CELL: theirs}, loose).values())


@pytest.mark.parametrize(
    ("theirs", "whole", "causes"),
    [
        (replace(SUMS, cost_nanousd=1), True, (WRONG_PRICE,)),
        (Sums(), True, (NOTHING_REPORTED,)),
        (replace(SUMS, input_tokens=1), True, (CALLS_MISSING,)),
        (replace(SUMS, input_tokens=9_999), True, (OTHER_KEYS, PAST_US)),
        (replace(SUMS, input_tokens=9_999), False, (PAST_US,)),
    ],
)
def test_what_is_worth_checking(theirs: Sums, whole: bool, causes: tuple[str, ...]) -> None:
    [cell] = compared({CELL: SUMS}, {CELL: theirs}, whole_organization=whole).values()
    assert cell.causes == causes


def test_a_model_that_only_the_report_knows_is_drift() -> None:
    other = CELL._replace(model="claude-opus-5-5")
    found = compared({CELL: SUMS}, {CELL: SUMS, other: ONE})
    assert not found[CELL].drifts
    assert {drift.kind for drift in found[other].drifts} == set(KINDS)


def test_a_window_is_whole_hours_without_the_freshest_minutes() -> None:
    now_ms = DAY + 10 * HOUR_MS + FRESH_MS - 1
    assert window_of(DAY + 1, now_ms, now_ms) == Window(DAY + HOUR_MS, DAY + 9 * HOUR_MS)
    assert window_of(DAY, now_ms + 1, now_ms + 1) == Window(DAY, DAY + 10 * HOUR_MS)
    assert window_of(DAY, DAY + 1, now_ms).is_empty
    assert window_of(0, DAY, now_ms) == Window(DAY - MOST_DAYS * DAY_MS, DAY)
