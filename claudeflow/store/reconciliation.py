"""What the books say of a window, for the comparison with the provider's report."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from claudeflow.domain.reconciliation import DAY_MS, KINDS, Books, Cell, LooseCall, Sums
from claudeflow.store.statements import SQL


def books_of(
    raw: sqlite3.Connection,
    since_ms: int,
    until_ms: int,
    *,
    lookback_ms: int,
    skew_ms: int,
    search_nanousd: int,
) -> Books:
    """Settled sums by day, model and tier, and the calls that may count elsewhere or cost something unknown.

    The window is in whole hours. Calls opened up to `lookback_ms` before it may reach into it; those
    within `skew_ms` of a day's or the window's bounds may be counted beyond them.
    """
    window = {"since_ms": since_ms, "until_ms": until_ms}
    settled: dict[Cell, Sums] = {}
    for day_ms, model, tier, *amounts in raw.execute(SQL.usage_by_day, window):
        settled[Cell(day_ms, model, tier)] = _sums(amounts, search_nanousd)
    earliest_ms = since_ms - lookback_ms
    wanted = {
        **window,
        "first_id": _first_id_from(raw, earliest_ms),
        "earliest_ms": earliest_ms,
        "skew_ms": skew_ms,
        "day_ms": DAY_MS,
    }
    loose = tuple(_loose(row, search_nanousd) for row in raw.execute(SQL.loose_calls, wanted))
    return Books(settled, loose)


def first_call_ms(raw: sqlite3.Connection) -> int | None:
    """When the oldest call that is kept was opened; None without any."""
    found = raw.execute(SQL.first_call_from, {"id": 0}).fetchone()
    return None if found is None else int(found[1])


def _first_id_from(raw: sqlite3.Connection, opened_ms: int) -> int:
    """The id from which on all calls opened at `opened_ms` or later lie. Ids grow with time."""
    low, high = 0, int(raw.execute(SQL.last_call_id).fetchone()[0]) + 1
    while low < high:
        middle = (low + high) // 2
        found = raw.execute(SQL.first_call_from, {"id": middle}).fetchone()
        if found is None or found[1] >= opened_ms:
            high = middle
        else:
            low = found[0] + 1
    return low


def _loose(row: Sequence[Any], search_nanousd: int) -> LooseCall:
    model, tier, opened_ms, ended_ms, state, bound_nanousd, *amounts = row
    sums = _sums(amounts, search_nanousd) if state == "settled" else None
    return LooseCall(model, tier, opened_ms, ended_ms, sums, bound_nanousd)


def _sums(amounts: Sequence[Any], search_nanousd: int) -> Sums:
    """Sums of a row that ends with searches and the whole cost."""
    sums = Sums(**dict(zip(KINDS, amounts, strict=True)))
    return replace(sums, cost_nanousd=sums.cost_nanousd - sums.web_searches * search_nanousd)
