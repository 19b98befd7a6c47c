"""The demo's table: what the daemon does with a busy morning, redrawn as it happens.

It fits a terminal of 80 columns and 24 lines; `claudeflow status` shows more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from claudeflow.cli import board
from claudeflow.cli.output import count, printable, span
from claudeflow.domain.money import usd

NARROW = (0, 1, 0, 0)
"""Room for 80 columns."""


def render_board(status: Mapping[str, Any], elapsed_s: float, totals: Mapping[str, int]) -> RenderableType:
    """The state of the daemon as one panel.

    `status` is the JSON of `/v1/status`; `totals` maps a lane to the jobs it will get in all, as
    far as that is known.
    """
    parts: list[RenderableType] = [lanes_table(status["lanes"], totals), ""]
    if status["holds"]:
        parts += [board.holds_table(status["holds"]), ""]
    if status["pools"]:
        parts += [pools_table(status["pools"]), ""]
    parts.append(Text(board.spend_line(status["spend"])))
    return Panel(
        Group(*parts),
        title=f"claudeflow {status['phase']}",
        subtitle=f"{span(elapsed_s)} · {_progress(status, totals)}",
        border_style="red" if status["holds"] else "blue",
    )


def lanes_table(lanes: Sequence[Mapping[str, Any]], totals: Mapping[str, int]) -> Table:
    """One row for each lane. `oldest` is the age of its oldest queued job."""
    numbers = ("queued", "running", "done", "failed", "oldest", "input", "cached", "output", "cost")
    table = board.columns("lane", right=numbers, padding=NARROW)
    for lane in lanes:
        oldest = lane["oldest_age_s"]
        table.add_row(
            printable(lane["lane"]),
            board.number(lane["queued"], "cyan"),
            board.number(lane["running"], "blue"),
            board.done(lane["succeeded"], totals.get(lane["lane"])),
            board.number(lane["failed"], "red"),
            "-" if oldest is None else span(oldest),
            count(lane["input_tokens"]),
            count(lane["cache_read_tokens"]),
            count(lane["output_tokens"]),
            usd(lane["cost_nanousd"]),
        )
    return table


def pools_table(pools: Iterable[Mapping[str, Any]]) -> Table:
    """One row for each pool: its gate, its calls, and how full its buckets are."""
    table = board.columns("pool", "gate", right=("calls", "429s"), padding=NARROW)
    for name in ("requests", "input tokens", "output tokens"):
        table.add_column(name, no_wrap=True)
    for pool in pools:
        bars = {bucket["axis"]: board.bar(bucket["level"], bucket["capacity"]) for bucket in pool["buckets"]}
        table.add_row(
            printable(pool["pool"]),
            board.gate(pool["gate_closed_for_s"]),
            board.number(pool["in_flight"], "blue"),
            board.number(pool["throttled_calls"], "yellow"),
            *(bars.get(axis, "") for axis in ("requests", "input_tokens", "output_tokens")),
        )
    return table


def _progress(status: Mapping[str, Any], totals: Mapping[str, int]) -> str:
    """How many jobs are finished, of how many."""
    finished = sum(lane["succeeded"] + lane["failed"] for lane in status["lanes"])
    total = sum(totals.values())
    return f"{finished:,} of {total:,} jobs finished" if total else f"{finished:,} jobs finished"
