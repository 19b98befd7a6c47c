"""`claudeflow resume`: let a paused lane go on."""

from __future__ import annotations

import click

from claudeflow.cli.holding import json_option, reason_option, release_hold
from claudeflow.cli.places import places_options


@click.command(
    "resume",
    short_help="Let a paused lane go on.",
    epilog="\b\nExample:\n  claudeflow resume bulk",
)
@click.argument("lane", metavar="LANE")
@reason_option
@json_option
@places_options("socket", "config")
@click.pass_context
def command(context: click.Context, lane: str, reason: str | None, as_json: bool) -> None:
    """Let a paused lane go on: short for `claudeflow release lane:LANE`."""
    release_hold(context, f"lane:{lane}", reason, None, as_json=as_json)
