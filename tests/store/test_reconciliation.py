"""What the books say of a window: sums by day, and the calls that are not firmly in it."""

from __future__ import annotations

import sqlite3

import pytest

from claudeflow.domain.reconciliation import DAY_MS, HOUR_MS, Books, Cell, LooseCall, Sums
from claudeflow.store.reconciliation import books_of, first_call_ms

DAY = 20_000 * DAY_MS
MODEL = "claude-haiku-5-5"
SKEW_MS = 5_000
SEARCH_NANOUSD = 10_000_000
SETTLED = Sums(10, 2, 3, 4, 5, 1, 70)
OPEN_CALL = """
INSERT INTO calls (pool, model, lane, workflow, owner, opened_ms, reserved_nanousd)
VALUES ('haiku-5.5', ?, 'bulk', 'triage', 'me', ?, 1000) RETURNING id
"""
SETTLE = """
UPDATE calls SET state = 'settled', ended_ms = ?, service_tier = ?, cost_nanousd = ?, uncached_nanousd = 0,
       unbatched_nanousd = 0, plain_nanousd = 0, input_tokens = 10, cache_write_5m_tokens = 2,
       cache_write_1h_tokens = 3, cache_read_tokens = 4, output_tokens = 5, thinking_tokens = 0,
       web_searches = 1, web_fetches = 0
WHERE id = ?
"""


def opened(raw: sqlite3.Connection, opened_ms: int, model: str = MODEL) -> int:
    (call_id,) = raw.execute(OPEN_CALL, (model, opened_ms)).fetchone()
    return int(call_id)


def settled(raw: sqlite3.Connection, opened_ms: int, ended_ms: int, tier: str = "standard") -> None:
    cost_nanousd = SETTLED.cost_nanousd + SEARCH_NANOUSD
    raw.execute(SETTLE, (ended_ms, tier, cost_nanousd, opened(raw, opened_ms)))


def unknown(raw: sqlite3.Connection, opened_ms: int, ended_ms: int) -> None:
    raw.execute(
        "UPDATE calls SET state = 'unknown', ended_ms = ? WHERE id = ?", (ended_ms, opened(raw, opened_ms))
    )


def books(raw: sqlite3.Connection, since_ms: int = DAY, until_ms: int = DAY + 2 * DAY_MS) -> Books:
    return books_of(
        raw, since_ms, until_ms, lookback_ms=2 * HOUR_MS, skew_ms=SKEW_MS, search_nanousd=SEARCH_NANOUSD
    )


def test_days_models_and_tiers_are_summed_without_the_price_of_searches(raw: sqlite3.Connection) -> None:
    for hour in (1, 2):
        settled(raw, DAY + hour * HOUR_MS, DAY + hour * HOUR_MS + 9_000)
    settled(raw, DAY + 30 * HOUR_MS, DAY + 30 * HOUR_MS + 9_000, tier="batch")
    settled(raw, DAY - HOUR_MS, DAY - HOUR_MS + 9_000)
    found = books(raw)
    assert found.settled == {
        Cell(DAY, MODEL, "standard"): SETTLED + SETTLED,
        Cell(DAY + DAY_MS, MODEL, "batch"): SETTLED,
    }
    assert found.loose == ()


@pytest.mark.parametrize(
    ("opened_ms", "ended_ms", "is_loose"),
    [
        (DAY + DAY_MS - 9_000, DAY + DAY_MS + 9_000, True),
        (DAY + DAY_MS - 9_000, DAY + DAY_MS - 4_000, True),
        (DAY + DAY_MS - 9_000, DAY + DAY_MS - 6_000, False),
        (DAY + DAY_MS + 4_000, DAY + DAY_MS + 9_000, True),
        (DAY - HOUR_MS, DAY + 1, True),
        (DAY - 3 * HOUR_MS, DAY + 1, False),
        (DAY + 2 * DAY_MS - 1, DAY + 2 * DAY_MS + HOUR_MS, True),
        (DAY + 2 * DAY_MS + 1, DAY + 2 * DAY_MS + HOUR_MS, True),
        (DAY + HOUR_MS, DAY + 2 * HOUR_MS, False),
    ],
)
def test_settled_calls_near_a_bound_are_loose(
    raw: sqlite3.Connection, opened_ms: int, ended_ms: int, is_loose: bool
) -> None:
    settled(raw, opened_ms, ended_ms)
    expected = (LooseCall(MODEL, "standard", opened_ms, ended_ms, SETTLED, 1_000),) if is_loose else ()
    assert books(raw).loose == expected


def test_bounds_within_a_day_count_too(raw: sqlite3.Connection) -> None:
    noon = DAY + 12 * HOUR_MS
    settled(raw, noon - 1_000, noon + 60_000)
    assert len(books(raw, since_ms=noon).loose) == 1
    assert len(books(raw, until_ms=noon).loose) == 1
    assert books(raw).loose == ()


def test_running_and_unknown_calls_are_loose_wherever_they_lie(raw: sqlite3.Connection) -> None:
    unknown(raw, DAY + HOUR_MS, DAY + HOUR_MS + 9_000)
    opened(raw, DAY + 3 * HOUR_MS)
    unknown(raw, DAY - 9 * HOUR_MS, DAY - 9 * HOUR_MS + 9_000)
    assert books(raw).loose == (
        LooseCall(MODEL, "standard", DAY + HOUR_MS, DAY + HOUR_MS + 9_000, None, 1_000),
        LooseCall(MODEL, "standard", DAY + 3 * HOUR_MS, None, None, 1_000),
    )


def test_the_first_call_is_known(raw: sqlite3.Connection) -> None:
    assert first_call_ms(raw) is None
    opened(raw, DAY)
    opened(raw, DAY + 1)
    assert first_call_ms(raw) == DAY


def test_calls_are_found_where_old_ones_were_deleted(raw: sqlite3.Connection) -> None:
    for hour in range(20):
        unknown(raw, DAY + hour * HOUR_MS, DAY + hour * HOUR_MS + 9_000)
    raw.execute("DELETE FROM calls WHERE id IN (1, 2, 3, 9, 10)")
    kept = [hour for hour in range(20) if hour + 1 not in (1, 2, 3, 9, 10)]
    for since in range(30):
        loose = books(raw, since_ms=DAY + since * HOUR_MS).loose
        assert [call.opened_ms // HOUR_MS % 24 for call in loose] == [h for h in kept if h >= since - 2]
