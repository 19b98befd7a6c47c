"""Result: how the demo shows what it came to, and what to type next."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

import click

from claudeflow.cli.demo.stage import Stage
from claudeflow.cli.demo.summary import Summary, as_dict, text_lines
from claudeflow.cli.output import console, print_json, span
from claudeflow.domain.money import usd

COSTS_BY_WORKFLOW = (
    "SELECT workflow, count(*) AS jobs, sum(cost_nanousd) / 1e9 AS usd FROM jobs GROUP BY workflow"
)


def print_result(summary: Summary, place: Stage, *, as_json: bool) -> None:
    """Print what the demo came to."""
    if as_json:
        print_json({**as_dict(summary), "store": str(place.store), "config": str(place.config)})
        return
    click.echo()
    _print_lanes(summary)
    click.echo()
    for line in text_lines(summary):
        click.echo(line)
    click.echo(f"\nEverything is kept in {place.folder}. Next:")
    for command in next_commands(place, failed=summary.failed > 0):
        click.echo(f"  {command}")


def next_commands(place: Stage, *, failed: bool) -> list[str]:
    """Commands that work on what the demo left behind."""
    program, config = this_program(), shlex.quote(str(place.config))
    which = "--state failed" if failed else "--limit 10"
    commands = [
        f"{program} list --config {config} {which}",
        f"{program} show 1 --config {config}",
        f"{program} result 1 --config {config}",
    ]
    if shutil.which("sqlite3"):
        commands.append(f"sqlite3 -box {shlex.quote(str(place.store))} {shlex.quote(COSTS_BY_WORKFLOW)}")
    return commands


def this_program() -> str:
    """How the person called claudeflow, so that a command can be pasted."""
    called, found = Path(sys.argv[0]), shutil.which("claudeflow")
    if called.name != "claudeflow":
        return f"{shlex.quote(sys.executable)} -m claudeflow.cli.main"
    if found and Path(found).resolve() == called.resolve():
        return "claudeflow"
    return shlex.quote(str(called))


def _print_lanes(summary: Summary) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("lane", no_wrap=True)
    for name in ("jobs", "done", "wait p50", "wait p95", "cost", "without caching"):
        table.add_column(name, justify="right", no_wrap=True)
    for lane in summary.lanes:
        waits = ("-" if wait is None else span(wait) for wait in (lane.wait_p50_s, lane.wait_p95_s))
        money = (usd(lane.cost_nanousd), usd(lane.uncached_nanousd))
        table.add_row(lane.lane, f"{lane.jobs:,}", f"{lane.succeeded:,}", *waits, *money)
    console().print(table)
