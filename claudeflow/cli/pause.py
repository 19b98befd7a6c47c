"""`claudeflow pause`: hold a lane."""

from __future__ import annotations

import click

from claudeflow.cli.holding import json_option, set_hold, until_option
from claudeflow.cli.places import places_options


@click.command(
    "pause",
    short_help="Hold a lane.",
    epilog='\b\nExample:\n  claudeflow pause bulk --reason "quarter-end" --until +4h',
)
@click.argument("lane", metavar="LANE")
@click.option(
    "--reason", metavar="TEXT", default="paused by hand", show_default=True, help="Why: kept in the history."
)
@until_option
@json_option
@places_options("socket", "config")
@click.pass_context
def command(context: click.Context, lane: str, reason: str, until: str | None, as_json: bool) -> None:
    """Hold a lane: short for `claudeflow hold lane:LANE`. Its jobs wait, new ones are accepted."""
    set_hold(context, f"lane:{lane}", reason, until, as_json=as_json)
