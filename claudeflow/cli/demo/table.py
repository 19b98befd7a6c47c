"""The demo's table: what the daemon does with a busy morning, redrawn as it happens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.text import Text

from claudeflow.cli import board
from claudeflow.cli.output import span


def render_board(status: Mapping[str, Any], elapsed_s: float, totals: Mapping[str, int]) -> RenderableType:
    """The state of the daemon as one panel that fits 100 columns.

    `status` is the JSON of `/v1/status`; `totals` maps a lane to the jobs it will get in all, as
    far as that is known.
    """
    parts: list[RenderableType] = [board.lanes_table(status["lanes"], totals), ""]
    if status["holds"]:
        parts += [board.holds_table(status["holds"]), ""]
    parts += [board.buckets_table(status["pools"]), "", board.pools_table(status["pools"]), ""]
    parts.append(Text(board.spend_line(status["spend"])))
    return Panel(
        Group(*parts),
        title=f"claudeflow {status['phase']}",
        subtitle=f"{span(elapsed_s)} · {_progress(status, totals)}",
        border_style="red" if status["holds"] else "blue",
    )


def _progress(status: Mapping[str, Any], totals: Mapping[str, int]) -> str:
    """How many jobs are finished, of how many."""
    finished = sum(lane["succeeded"] + lane["failed"] for lane in status["lanes"])
    total = sum(totals.values())
    return f"{finished:,} of {total:,} jobs finished" if total else f"{finished:,} jobs finished"
