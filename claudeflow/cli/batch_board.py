"""Batch board: batches and what waits for the next one as tables, one batch in full, for `batches`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from claudeflow.cli.fitting import Column, Layout, Row, fitted
from claudeflow.cli.output import count, printable, span
from claudeflow.cli.record import ago, epoch_s, local, when, with_age
from claudeflow.domain.money import dollars
from claudeflow.domain.words import plural

INDENT = 2
API_ID_CELLS = 40
"""The API's name for a batch is not folded: nobody could copy it."""

STYLE = {"done": "green", "lost": "red", "ended": "green", "canceling": "yellow", "in_progress": "blue"}
"""Colour of the states that have one."""

_WAITING = (
    Column("lane", lambda row: printable(row["lane"]), is_words=True),
    Column("workflow", lambda row: printable(row["workflow"]), is_words=True),
    Column("model", lambda row: printable(row["model"]), 3, is_words=True),
    Column("jobs", lambda row: f"{row['requests']:,}"),
    Column("size", lambda row: _size(row["size_bytes"]), 2),
    Column("oldest", lambda row: ago(row["oldest_at"]), 1),
)


def batches_board(batches: Sequence[Row], width: int) -> tuple[RenderableType, Layout]:
    """For each batch a row, and under it what stands in its way."""
    columns = (
        Column("batch", lambda row: str(row["id"])),
        Column(
            "api id", lambda row: printable(row["api_id"] or ""), 5, is_words=True, narrowest=API_ID_CELLS
        ),
        Column("state", lambda row: Text(row["state"], style=STYLE.get(row["state"], "")), is_words=True),
        Column("requests", lambda row: f"{row['requests']:,}"),
        Column("answered", lambda row: f"{row['counts']['succeeded']:,}" if row["ended_at"] else ""),
        Column("age", lambda row: ago(row["created_at"] or row["made_at"]), 2),
        Column("took", _took, 1),
        Column("cost", lambda row: dollars(row["spend"]["cost_nanousd"]) if row["spend"] else ""),
        Column("saved", lambda row: dollars(row["spend"]["saved_nanousd"]) if row["spend"] else "", 3),
    )
    layout = fitted(columns, batches, width)
    parts: list[RenderableType] = [layout.table([])]
    for row in batches:
        parts.append(layout.table([row], header=False))
        parts += [_below(line) for line in _remarks(row)]
    return Group(*parts), layout


def waiting_board(waiting: Sequence[Row], width: int) -> tuple[RenderableType, Layout]:
    """The jobs that wait for a batch, and under those that wait for the same: for what, and until when."""
    layout = fitted(_WAITING, waiting, width)
    parts: list[RenderableType] = [layout.table([])]
    for (why, until), rows in groupby(waiting, key=lambda row: (row["why"], row["until"])):
        then = f" ({when(until)})" if until else ""
        parts += [layout.table(rows, header=False), _below(f"{why}{then}")]
    return Group(*parts), layout


def lines_of(batch: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Everything that is known of a batch, as names and values; what is not known is left out."""
    lines = [
        ("batch", str(batch["id"])),
        ("api id", batch["api_id"] or ""),
        ("state", batch["state"]),
        ("requests", f"{batch['requests']:,} ({_size(batch['size_bytes'])})"),
        ("outcome", _outcome(batch)),
        ("in the books", f"{batch['booked']:,} of {batch['requests']:,}"),
        ("left", f"{plural(batch['left'], 'job')} waited for it no more" if batch["left"] else ""),
        ("made", with_age(batch["made_at"])),
        ("created", with_age(batch["created_at"])),
        ("expires", "" if batch["ended_at"] else local(batch["expires_at"])),
        ("ended", _ended(batch)),
        ("done", with_age(batch["done_at"])),
        ("results until", "" if batch["done_at"] else local(batch["results_until"])),
        ("caching", _caching(batch)),
        ("stop wanted by", batch["cancel_by"] or ""),
        ("problem", batch["problem"] or ""),
        *_money(batch["spend"]),
    ]
    return [(name, value) for name, value in lines if value]


def _money(spend: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    """What is in the books, and what may come to it."""
    if not spend:
        return
    cost, bound = spend["cost_nanousd"], spend["bound_nanousd"]
    more = f", and {dollars(bound)} at most for what is not settled" if bound else ""
    yield "cost", f"{dollars(cost)}{more}"
    messages, saved = spend["unbatched_nanousd"], spend["saved_nanousd"]
    if messages:
        yield "by Messages", f"{dollars(messages)}: {dollars(saved)} ({saved / messages:.0%}) saved"
    kinds = ("input", "cache_write", "cache_read", "output")
    yield "tokens", ", ".join(f"{count(spend[f'{kind}_tokens'])} {_KINDS[kind]}" for kind in kinds)


_KINDS = {"input": "input", "cache_write": "cache writes", "cache_read": "cache reads", "output": "output"}


def _remarks(row: Row) -> Iterator[str]:
    if row["cancel_by"]:
        yield f"stop wanted by {row['cancel_by']}"
    if row["problem"]:
        yield str(row["problem"])


def _below(line: str) -> RenderableType:
    return Padding(Text(printable(line), style="dim"), (0, 0, 0, INDENT), expand=False)


def _took(row: Row) -> str:
    """How long the API had it."""
    if not row["ended_at"] or not row["created_at"]:
        return ""
    return span(epoch_s(row["ended_at"]) - epoch_s(row["created_at"]))


def _ended(batch: Row) -> str:
    took = _took(batch)
    return f"{local(batch['ended_at'])}, after {took}" if took else ""


def _outcome(batch: Row) -> str:
    """The API's counts, which it tells when a batch has ended."""
    if not batch["ended_at"]:
        return ""
    counts = batch["counts"]
    others = [f"{counts[kind]:,} {kind}" for kind in ("errored", "canceled", "expired") if counts[kind]]
    return ", ".join([f"{counts['succeeded']:,} answered", *others])


def _caching(batch: Row) -> str:
    """How its requests use the cache."""
    if not batch["marks"]:
        return "no prefix is marked"
    prefixes = plural(batch["marks"], "prefix", "prefixes")
    return f"writes {prefixes} for those behind it" if batch["warms"] else f"{prefixes} marked for an hour"


def _size(size_bytes: int) -> str:
    return f"{count(size_bytes)}B"
