"""Packs board: what packs have done, by prompt version, as a table, for `packs`."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from claudeflow.cli.board import number
from claudeflow.cli.fitting import Column, Layout, Row, fitted
from claudeflow.cli.output import printable

DIGITS = 8
INDENT = 2


def _packed(row: Row) -> Text:
    return Text("yes", style="green") if row["is_packed"] else Text("no", style="yellow")


_COLUMNS = (
    Column("prompt", lambda row: printable(row["prompt"]), is_words=True),
    Column("version", lambda row: printable(row["version"][:DIGITS]), 4),
    Column("packed", _packed, is_words=True),
    Column("packs", lambda row: f"{row['packs']:,}"),
    Column("items", lambda row: f"{row['items']:,}", 2),
    Column("answered", lambda row: f"{row['answered']:,}", 1),
    Column("returned", lambda row: number(sum(row["returned"].values()), "yellow")),
    Column("saved", lambda row: f"{row['saved_requests']:,}"),
    Column("canaries", lambda row: f"{row['canaries']:,}", 3),
    Column("disagree", lambda row: f"{row['disagreement']:.1%}" if row["canaries"] else ""),
)


def packs_board(prompts: Sequence[Row], width: int) -> tuple[RenderableType, Layout]:
    """For each version a row, and under it why it is packed or not, and why items went singly."""
    layout = fitted(_COLUMNS, prompts, width)
    parts: list[RenderableType] = [layout.table([])]
    for row in prompts:
        parts.append(layout.table([row], header=False))
        parts += [
            Padding(Text(printable(line), style="dim"), (0, 0, 0, INDENT), expand=False)
            for line in (_reasons(row), row["why"])
            if line
        ]
    return Group(*parts), layout


def _reasons(row: Row) -> str:
    """Why items went singly, the most frequent reason first."""
    found = sorted(row["returned"].items(), key=lambda item: (-item[1], item[0]))
    return f"returned: {', '.join(f'{count:,} {reason}' for reason, count in found)}" if found else ""
