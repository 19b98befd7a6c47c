"""Questions to the books: sums over the hours of usage, and which models are in use."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from claudeflow.domain.ledger import SUMS, Dimension, UsageRow
from claudeflow.store.statements import SQL

HOUR_MS = 3_600_000

_EXPRESSIONS: Mapping[Dimension, str] = {
    Dimension.WORKFLOW: "workflow",
    Dimension.LANE: "lane",
    Dimension.MODEL: "model",
    Dimension.PROMPT: "prompt_name",
    Dimension.VERSION: "prompt_version",
    Dimension.TIER: "service_tier",
    Dimension.SPEED: "speed",
    Dimension.GEO: "inference_geo",
    Dimension.KIND: "kind",
    Dimension.HOUR: "strftime('%Y-%m-%dT%H:00Z', hour_ms / 1000, 'unixepoch')",
    Dimension.DAY: "strftime('%Y-%m-%d', hour_ms / 1000, 'unixepoch')",
    Dimension.MONTH: "strftime('%Y-%m', hour_ms / 1000, 'unixepoch')",
}


def usage(
    raw: sqlite3.Connection,
    *,
    since_ms: int = 0,
    until_ms: int | None = None,
    by: Sequence[Dimension] = (),
    where: Mapping[Dimension, str] | None = None,
) -> list[UsageRow]:
    """Sums of the calls opened in a window, one row for each group that has any, ordered by its key.

    The books know whole hours (UTC): the window begins with the hour in which `since_ms` is, and the hour
    in which `until_ms` is belongs to it unless it begins then. Without `by` there is one row, or none.
    """
    groups = [_EXPRESSIONS[dimension] for dimension in by]
    columns = ", ".join([*groups, *(f"sum({name})" for name in SUMS)])
    conditions = ["hour_ms >= :since_ms", "(:until_ms IS NULL OR hour_ms < :until_ms)"]
    conditions += [f"{_EXPRESSIONS[dimension]} = :{dimension}" for dimension in where or {}]
    places = ", ".join(str(place) for place in range(1, len(by) + 1))
    order = f"GROUP BY {places} ORDER BY {places}" if by else ""
    query = f"SELECT {columns} FROM usage_hours WHERE {' AND '.join(conditions)} {order}"  # noqa: S608 - names of ours
    values = {"since_ms": since_ms - since_ms % HOUR_MS, "until_ms": until_ms}
    rows = raw.execute(query, values | {str(dimension): value for dimension, value in (where or {}).items()})
    found = (UsageRow(tuple(row[: len(by)]), *(total or 0 for total in row[len(by) :])) for row in rows)
    return [row for row in found if row.calls or row.unknown_calls]


def waiting_by_model(raw: sqlite3.Connection) -> dict[str, int]:
    """How many jobs of each model wait or run."""
    return dict(raw.execute(SQL.waiting_by_model).fetchall())


def waiting_fast_by_model(raw: sqlite3.Connection) -> dict[str, int]:
    """How many jobs of each model wait or run that ask for fast mode."""
    return dict(raw.execute(SQL.waiting_fast_by_model).fetchall())
