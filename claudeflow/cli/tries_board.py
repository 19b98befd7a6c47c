"""Tries board: every try at a job as a table, for `show`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from claudeflow.cli.fitting import Column, Layout, Row, fitted
from claudeflow.cli.output import printable, span
from claudeflow.domain.money import usd
from claudeflow.domain.words import plural

INDENT = 5
"""Under the outcome."""

WIDER = "make the terminal wider, or take --json"
OTHERS_NAMED = 12
"""Of those who shared a call; --json has all."""

REQUEST_ID_CELLS = 40
"""A request id is not folded: nobody could copy it."""


def tries_board(tries: Sequence[Row], width: int) -> tuple[RenderableType, Layout]:
    """For each try a row, and under it the batch or the other jobs with which it went."""
    columns = (
        Column("try", lambda row: str(row["number"])),
        Column("outcome", lambda row: printable(row["error_type"] or row["outcome"]), is_words=True),
        Column("status", lambda row: _known(row["http_status"]), 2),
        Column(
            "request id", lambda row: _known(row["request_id"]), 3, is_words=True, narrowest=REQUEST_ID_CELLS
        ),
        Column("input", lambda row: _known(row["input_tokens"]), 1),
        Column("cached", lambda row: _known(row["cache_read_tokens"]), 1),
        Column("output", lambda row: _known(row["output_tokens"]), 1),
        Column("cost", _cost),
    )
    layout = fitted(columns, tries, width)
    parts: list[RenderableType] = [layout.table([])]
    for row in tries:
        parts.append(layout.table([row], header=False))
        parts += [Padding(Text(line, style="dim"), (0, 0, 0, INDENT), expand=False) for line in _company(row)]
    return Group(*parts), layout


def _company(row: Row) -> Iterator[str]:
    """With what it went, unless it went alone."""
    if row.get("batch_id") is not None:
        api_id = f" ({row['batch_api_id']})" if row["batch_api_id"] else ""
        yield printable(f"in batch {row['batch_id']}{api_id}")
    if row.get("items", 1) > 1:
        time = "" if row["call_ms"] is None else f", its part took {span(row['call_ms'] / 1000)}"
        name = "" if row["slot"] is None else f" as {row['slot']}"
        shared_with = row.get("shared_with", ())
        others = ", ".join(str(other) for other in shared_with[:OTHERS_NAMED])
        more = len(shared_with) - OTHERS_NAMED
        named = f", with {others}" if others else ""
        rest = f" and {more} more" if more > 0 else ""
        yield printable(f"shared by {plural(row['items'], 'job')}{name}{time}{named}{rest}")


def _cost(row: Row) -> str:
    """What it cost, or may: a call can be open when its job waits for it no more."""
    if row["call_state"] != "settled":
        return f"up to {usd(row['reserved_nanousd'], 6)}"
    return usd(row["cost_nanousd"], 6)


def _known(value: object) -> str:
    return "" if value is None else printable(str(value))
