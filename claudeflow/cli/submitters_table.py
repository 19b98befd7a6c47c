"""Submitters table: whose jobs cost what, for `usage --submitters`."""

from __future__ import annotations

from collections.abc import Sequence

from claudeflow.cli.fitting import Column, Layout, Row, fitted
from claudeflow.cli.output import printable
from claudeflow.domain.money import dollars

_COLUMNS = (
    Column("submitted by", lambda row: printable(row["submitted_by"]), is_words=True, narrowest=12),
    Column("cost", lambda row: dollars(row["cost_nanousd"])),
    Column("unknown at most", lambda row: dollars(row["unknown_nanousd"]), 2),
    Column("under way at most", lambda row: dollars(row["in_flight_nanousd"]), 1),
)


def submitters_layout(rows: Sequence[Row], width: int) -> Layout:
    """The columns that fit."""
    return fitted(_COLUMNS, rows, width)
