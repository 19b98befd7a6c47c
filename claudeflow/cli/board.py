"""Board: the daemon's state as tables, for `status` and for the demo."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from claudeflow.cli.fitting import Column, Layout, Row, fitted
from claudeflow.cli.output import count, printable, span
from claudeflow.domain.money import usd
from claudeflow.domain.words import plural

BAR_CELLS = 12

_AXIS_NAME = {"requests": "requests", "input_tokens": "input tokens", "output_tokens": "output tokens"}


def lanes_board(lanes: Sequence[Row], width: int) -> Layout:
    """One row for each lane. `in batch` is there when any lane has jobs in batches, which are running ones.

    `wait` is the time from submit to first call that 95 of 100 jobs stay below.
    """
    batched = Column("in batch", lambda lane: number(lane.get("in_batches", 0), "blue"))
    chosen = (
        Column("lane", lambda lane: printable(lane["lane"]), is_words=True),
        Column("queued", lambda lane: number(lane["queued"], "cyan")),
        Column("running", lambda lane: number(lane["running"], "blue")),
        *([batched] if any(lane.get("in_batches") for lane in lanes) else []),
        Column("done", lambda lane: done(lane["succeeded"], None)),
        Column("failed", lambda lane: number(lane["failed"], "red")),
        Column("oldest", lambda lane: _span(lane["oldest_age_s"]), 1),
        Column("wait", lambda lane: _span(lane["wait_p95_s"]), 1),
        Column("input", lambda lane: count(lane["input_tokens"]), 2),
        Column("cached", lambda lane: count(lane["cache_read_tokens"]), 2),
        Column("output", lambda lane: count(lane["output_tokens"]), 2),
        Column("cost", lambda lane: usd(lane["cost_nanousd"])),
    )
    return fitted(chosen, lanes, width)


def buckets_table(pools: Iterable[Mapping[str, Any]]) -> Table:
    """One row for each bucket: how full it is, and the limit it refills at."""
    table = columns("pool", "bucket", "level", right=("free", "limit/min"))
    for pool in pools:
        name = printable(pool["pool"])
        for bucket in pool["buckets"]:
            table.add_row(
                name,
                _AXIS_NAME.get(bucket["axis"], bucket["axis"]),
                bar(bucket["level"], bucket["capacity"]),
                count(bucket["level"]),
                count(bucket["limit_per_min"]),
            )
            name = ""
    return table


def pools_table(pools: Iterable[Mapping[str, Any]]) -> Table:
    """One row for each pool: its gate, learned margin, ceiling and 429s."""
    table = columns("pool", "gate", right=("θ", "in flight", "ceiling", "429s"))
    table.add_column("limits")
    for pool in pools:
        table.add_row(
            printable(pool["pool"]),
            gate(pool["gate_closed_for_s"]),
            f"{pool['theta']:.2f}",
            str(pool["in_flight"]),
            str(pool["ceiling"]),
            number(pool["throttled_calls"], "yellow"),
            "from headers" if pool["limits_known"] else "assumed",
        )
    return table


def holds_table(holds: Iterable[Mapping[str, Any]]) -> Table:
    """One row for each hold, and what a person can do about it."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, style in (("held", "bold red"), ("cause", "red"), ("reason", ""), ("way out", "bold")):
        table.add_column(name, style=style, overflow="fold")
    for hold in holds:
        cells = (hold["scope"], hold["cause"], hold["reason"], hold["way_out"])
        table.add_row(*(printable(str(cell)) for cell in cells))
    return table


def spend_line(spend: Mapping[str, Any]) -> str:
    """The books in one line: settled, saved by the cache, and the bound on what is unknown."""
    text = f"spent {usd(spend['settled_nanousd'])} in {plural(spend['calls'], 'call')}"
    saved = spend["uncached_nanousd"] - spend["settled_nanousd"]
    if saved > 0 and spend["uncached_nanousd"]:
        text += f", {usd(saved)} ({saved / spend['uncached_nanousd']:.0%}) less than without the cache"
    if spend["unknown_calls"]:
        text += f"; {spend['unknown_calls']:,} unknown, at most {usd(spend['unknown_bound_nanousd'])}"
    return text


def bar(level: float, capacity: float) -> Text:
    """How full a bucket is. Debt shows as an empty red bar."""
    share = min(max(level / capacity, 0.0), 1.0) if capacity > 0 else 0.0
    full = round(share * BAR_CELLS)
    style = "red" if level <= 0 else "yellow" if share < 0.25 else "green"
    return Text.assemble(("█" * full, style), ("░" * (BAR_CELLS - full), "red" if level < 0 else "dim"))


def gate(closed_for_s: float) -> Text:
    """Whether a pool's gate is open, or for how long it stays closed after a 429."""
    if closed_for_s > 0:
        return Text(f"closed {span(closed_for_s)}", style="red")
    return Text("open", style="green")


def columns(
    *left: str, right: Iterable[str] = (), padding: tuple[int, int, int, int] = (0, 1, 0, 1)
) -> Table:
    """A table of words on the left and numbers on the right."""
    table = Table(box=None, padding=padding, pad_edge=False, header_style="bold")
    for name in left:
        table.add_column(name, no_wrap=True)
    for name in right:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def number(count: int, style: str) -> Text:
    """A count; nothing to see is dim."""
    return Text(f"{count:,}", style=style if count else "dim")


def done(succeeded: int, total: int | None) -> Text:
    """How many jobs succeeded, of how many when that is known."""
    text = f"{succeeded:,}/{total:,}" if total else f"{succeeded:,}"
    return Text(text, style="green" if succeeded else "dim")


def _span(seconds: float | None) -> str:
    return "-" if seconds is None else span(seconds)
