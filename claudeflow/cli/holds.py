"""`claudeflow holds`: what may not go out, why, and the way out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from claudeflow.cli.offline import checked, either_door
from claudeflow.cli.output import console, note, print_json, printable
from claudeflow.cli.places import places_options
from claudeflow.cli.record import ago, local


@click.command(
    "holds",
    short_help="Show what is held, why, and the way out.",
    epilog="\b\nExamples:\n  claudeflow holds\n  claudeflow holds --history --limit 20",
)
@click.option("--history", is_flag=True, help="Show who held and released what, the newest first.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="With --history.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@places_options("socket", "config")
@click.pass_context
def command(context: click.Context, history: bool, limit: int, as_json: bool) -> None:
    """Show what is held: scope, cause, since when, what ends it, how many jobs wait, why, and the way out."""
    door = either_door(context)
    if history:
        found = checked(door.call("GET", "/v1/holds/history", query={"limit": str(limit)})).json()
    else:
        found = checked(door.call("GET", "/v1/holds")).json()
    if as_json:
        print_json(found)
    elif history:
        _print_history(found["changes"])
    else:
        _print_holds(found["holds"])


def _print_holds(holds: Sequence[Mapping[str, Any]]) -> None:
    if not holds:
        note("nothing is held")
        return
    table = _table("held", "cause", "since", "ends", "jobs waiting", "reason", "way out")
    for hold in holds:
        since, waiting = f"{ago(hold['since'])} ago", f"{hold['waiting_jobs']:,}"
        cells = (hold["scope"], hold["cause"], since, _end(hold), waiting, hold["reason"], hold["way_out"])
        table.add_row(*(printable(cell) for cell in cells))
    console().print(table)


def _end(hold: Mapping[str, Any]) -> str:
    """What ends a hold: its time, a probe, or a person."""
    if hold["until"]:
        return local(hold["until"])
    return f"probe {local(hold['probe_at'])}" if hold["probe_at"] else f"by hand ({hold['set_by'] or '?'})"


def _print_history(changes: Sequence[Mapping[str, Any]]) -> None:
    if not changes:
        note("nothing was ever held")
        return
    table = _table("when", "who", "did", "scope", "cause", "until", "reason")
    for change in changes:
        until = local(change["until"]) if change["until"] else ""
        cells = (local(change["at"]), change["who"], change["action"], change["scope"], change["cause"])
        table.add_row(*(printable(cell) for cell in (*cells, until, change["reason"])))
    console().print(table)


def _table(*headings: str) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in headings:
        table.add_column(name, overflow="fold", justify="right" if name == "jobs waiting" else "left")
    return table
