"""`claudeflow limits`: every pool's limits, how they are used, and who waits for what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from claudeflow.cli.offline import checked, either_door
from claudeflow.cli.output import console, note, print_json, printable
from claudeflow.cli.places import places_options


@click.command(
    "limits",
    short_help="Show limits, how they are used, and who waits for what.",
    epilog="\b\nExamples:\n  claudeflow limits\n  claudeflow limits --json | jq '.pools[] | {pool, waits}'",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@places_options("socket", "config")
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:
    """Show each pool's limits: what is left, the pace, the gate, calls in flight, and who waits for what.

    Needs a running daemon: limits are what it has learned.
    """
    door = either_door(context)
    door.stay_online()
    found = checked(door.call("GET", "/v1/limits")).json()
    if as_json:
        print_json(found)
        return
    if not found["pools"]:
        note("no pool is in use")
        return
    for part in tables_of(found["pools"]):
        console().print(part)


def tables_of(pools: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Pools, their buckets, and who waits."""
    from claudeflow.cli import limits_board as board

    parts = [board.pools_table(pools), "", board.buckets_table(pools)]
    if any(pool["waits"] for pool in pools):
        parts += ["", board.waits_table(pools)]
    return [printable(part) if isinstance(part, str) else part for part in parts]
