"""Cache board: prefixes and cached shares as tables, for `cache`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from claudeflow.cli.board import number
from claudeflow.cli.fitting import Column, Layout, Row, fitted
from claudeflow.cli.output import count, printable, span
from claudeflow.cli.record import ago, epoch_s
from claudeflow.domain.money import usd
from claudeflow.domain.words import plural

COLD = "cold"
DIGITS = 8
INDENT = 2

_SHARES = (
    Column("workflow", lambda row: printable(row["workflow"]), is_words=True),
    Column("version", lambda row: printable(row["name"]), is_words=True),
    Column("cached", lambda row: f"{row['cached_share']:.0%}"),
    Column("input", lambda row: count(row["prompt_tokens"]), 2),
    Column("calls", lambda row: f"{row['calls']:,}"),
    Column("last call", lambda row: f"{ago(row['last_call'])} ago", 1),
)


def prefixes_board(prefixes: Sequence[Row], now: str, width: int) -> tuple[RenderableType, Layout]:
    """For each prefix a row of numbers, and under it the reason for how long it is kept."""
    columns = (
        Column("prefix", lambda row: printable(name_of(row)), is_words=True),
        Column("model", lambda row: printable(row["model"]), 7, is_words=True),
        Column("tokens", lambda row: count(row["tokens"]) if row["tokens"] else "?", 3),
        Column("kept", lambda row: row["ttl"] or "no"),
        Column("writes", lambda row: f"{row['writes']:,}", 1),
        Column("reads", lambda row: f"{row['reads']:,}", 1),
        Column("per write", _per_write, 8),
        Column("missed", lambda row: number(row["unexpected_misses"], "yellow"), 5),
        Column("saved", lambda row: usd(row["saved_nanousd"])),
        Column("warm for", lambda row: _left(row["warm_until"], now), 4),
    )
    layout = fitted(columns, prefixes, width)
    parts: list[RenderableType] = [layout.table([])]
    for row in prefixes:
        why = Padding(Text(printable(row["why"]), style="dim"), (0, 0, 0, INDENT))
        parts += [layout.table([row], header=False), why]
    return Group(*parts), layout


def shares_board(workflows: Iterable[Row], width: int, *, whole: bool) -> tuple[RenderableType, Layout]:
    """The cached share of each workflow, and of the versions that it used last.

    Unless `whole`, versions of one call each are one row.
    """
    rows = [row for found in workflows for row in _rows_of(found, whole)]
    layout = fitted(_SHARES, rows, width)
    return layout.table(rows), layout


def without_idle(prefixes: Iterable[Row]) -> tuple[list[Row], list[str]]:
    """The prefixes that are cached, or were; and a line for all others of a workflow with a like reason."""
    shown, idle = [], defaultdict(list)
    for row in prefixes:
        if row["ttl"] is None and not row["writes"] and not row["reads"]:
            idle[row["workflow"], row["why"].split(":")[0]].append(row)
        else:
            shown.append(row)
    lines = [
        printable(f"{workflow}: {plural(len(rows), 'prefix', 'prefixes')} never written or read: {why}")
        for (workflow, why), rows in sorted(idle.items())
    ]
    return shown, lines


def name_of(row: Mapping[str, Any]) -> str:
    """A prefix as people know it: by its prompt and version, or by its workflow, and by its hash."""
    digest = row["prefix"][:DIGITS]
    if not row["prompt_name"]:
        return f"{row['workflow']} {digest}"
    version = (row["prompt_version"] or "")[:DIGITS]
    return (
        f"{row['prompt_name']} {version}"
        if version == digest
        else f"{row['prompt_name']} {version} + {digest}"
    )


def _rows_of(found: Row, whole: bool) -> Iterator[Row]:
    yield {**found, "name": ""}
    versions = found["versions"] if len(found["versions"]) > 1 else []
    single = [] if whole else [share for share in versions if share["calls"] == 1]
    single = single if len(single) > 1 else []
    for share in versions:
        if share not in single:
            yield {**share, "workflow": "", "name": _version_of(share)}
    if single:
        yield _sum_of(single)


def _sum_of(shares: Sequence[Row]) -> Row:
    tokens = sum(share["prompt_tokens"] for share in shares)
    read = sum(share["cache_read_tokens"] for share in shares)
    return {
        "workflow": "",
        "name": f"{len(shares):,} of one call each",
        "cached_share": read / tokens if tokens else 0.0,
        "prompt_tokens": tokens,
        "calls": len(shares),
        "last_call": max(share["last_call"] for share in shares),
    }


def _version_of(share: Mapping[str, Any]) -> str:
    version = (share["version"] or "nothing to cache")[:16]
    return f"{share['prompt_name']} {version[:DIGITS]}" if share["prompt_name"] else version


def _per_write(row: Row) -> str:
    return "" if row["reads_per_write"] is None else f"{row['reads_per_write']:,.1f}"


def _left(until: str | None, now: str) -> str:
    return span(epoch_s(until) - epoch_s(now)) if until and until > now else COLD
