"""Show: the demo as it happens, as a table on a terminal and as lines elsewhere."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import click

from claudeflow.cli.demo.play import Show, unfinished
from claudeflow.cli.output import console, span
from claudeflow.domain.money import usd

LINE_EVERY_S = 3.0


@contextlib.contextmanager
def table(totals: Mapping[str, int]) -> Iterator[Show]:
    """A table that is redrawn in place. `totals` maps each lane to the jobs it will get."""
    from rich.live import Live

    from claudeflow.cli.demo.table import render_board

    with Live(console=console(), auto_refresh=False, vertical_overflow="crop") as live:
        yield lambda status, at_s: live.update(render_board(status, at_s, totals), refresh=True)


@contextlib.contextmanager
def lines(totals: Mapping[str, int], *, stderr: bool) -> Iterator[Show]:
    """A line every few seconds, and one at the end."""
    next_at_s = 0.0
    total = sum(totals.values())

    def show(status: Mapping[str, Any], at_s: float) -> None:
        nonlocal next_at_s
        if at_s >= next_at_s or finished(status) == total:
            next_at_s = at_s + LINE_EVERY_S
            click.echo(progress_line(status, at_s, total), err=stderr)

    yield show


def finished(status: Mapping[str, Any]) -> int:
    """How many jobs have ended, well or not."""
    return sum(lane["succeeded"] + lane["failed"] for lane in status["lanes"])


def progress_line(status: Mapping[str, Any], at_s: float, total: int) -> str:
    """The state of the demo on one line."""
    running = sum(lane["running"] for lane in status["lanes"])
    throttled = sum(pool["throttled_calls"] for pool in status["pools"])
    closed = [pool["pool"] for pool in status["pools"] if pool["gate_closed_for_s"] > 0]
    parts = [
        f"{finished(status):,} of {total:,} jobs finished",
        f"{unfinished(status) - running:,} queued",
        f"{running:,} running",
        f"{throttled:,} 429s",
        usd(status["spend"]["settled_nanousd"]),
        *(f"{pool} paused by a 429" for pool in closed),
        *(f"held: {hold['reason']}" for hold in status["holds"]),
    ]
    return f"{span(at_s):>5}  " + ", ".join(parts)
