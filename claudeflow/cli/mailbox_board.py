"""Mailbox board: how mailboxes stand, as a table, for `mailbox list`."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from claudeflow.cli.board import number
from claudeflow.cli.fitting import Column, Layout, Row, fitted
from claudeflow.cli.output import printable

INDENT = 2
STYLES = {"serving": "green", "full": "yellow", "trouble": "red"}

_COLUMNS = (
    Column("mailbox", lambda row: printable(row["name"]), is_words=True),
    Column("state", lambda row: Text(row["state"], style=STYLES.get(row["state"], "")), is_words=True),
    Column("owner", lambda row: printable(row["owner"] or ""), 3, is_words=True),
    Column("workflow", lambda row: printable(row["workflow"] or ""), 2, is_words=True),
    Column("lanes", lambda row: printable(", ".join(row["lanes"] or ())), 4, is_words=True),
    Column("waiting", lambda row: "?" if row["waiting"] is None else number(row["waiting"], "yellow")),
    Column("owed", lambda row: number(row["owed"], "")),
    Column("last transfer", lambda row: row["last_transfer_at"] or "", 1, is_words=True),
)


def mailbox_board(mailboxes: Sequence[Row], width: int) -> tuple[RenderableType, Layout]:
    """For each mailbox a row, and under it its trouble with the way out."""
    layout = fitted(_COLUMNS, mailboxes, width)
    parts: list[RenderableType] = [layout.table([])]
    for row in mailboxes:
        parts.append(layout.table([row], header=False))
        parts += [
            Padding(Text(printable(line), style="dim"), (0, 0, 0, INDENT), expand=False)
            for line in (row["problem"], row["remedy"])
            if line
        ]
    return Group(*parts), layout
