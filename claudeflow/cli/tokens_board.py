"""Tokens board: tokens as a table, for `token list`."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from claudeflow.cli.fitting import Column, Layout, Row, fitted
from claudeflow.cli.output import printable

_COLOURS = {"in_force": "green", "expired": "yellow", "revoked": "dim"}


def _state(row: Row) -> Text:
    return Text(row["state"].replace("_", " "), style=_COLOURS.get(row["state"], ""))


_COLUMNS = (
    Column("name", lambda row: printable(row["name"]), is_words=True, narrowest=8),
    Column("state", _state, is_words=True, narrowest=8),
    Column("roles", lambda row: ", ".join(row["roles"]), is_words=True, narrowest=8),
    Column("lanes", lambda row: printable(", ".join(row["lanes"])), 1, is_words=True, narrowest=10),
    Column("workflows", lambda row: printable(", ".join(row["workflows"])), 1, is_words=True, narrowest=10),
    Column("made by", lambda row: printable(row["created_by"]), 4),
    Column("made", lambda row: (row["created_at"] or "")[:10], 3),
    Column("expires", lambda row: (row["expires_at"] or "never")[:10], 2),
    Column("last used", lambda row: _to_the_hour(row["last_used"]), 2),
)


def _to_the_hour(moment: str | None) -> str:
    """As exactly as it is kept."""
    return "never" if moment is None else f"{moment[:10]} {moment[11:13]} h"


def tokens_layout(tokens: Sequence[Row], width: int) -> Layout:
    """The columns that fit."""
    return fitted(_COLUMNS, tokens, width)
