"""`claudeflow release`: let held jobs go."""

from __future__ import annotations

import click

from claudeflow.cli.holding import json_option, reason_option, release_hold
from claudeflow.cli.places import places_options


@click.command(
    "release",
    short_help="Let held jobs go.",
    epilog="\b\nExamples:\n"
    "  claudeflow release workflow:ticket-triage\n"
    '  claudeflow release all --cause spend_cap --reason "limit raised in the Console"',
)
@click.argument("scope", metavar="SCOPE")
@reason_option
@click.option(
    "--cause", metavar="CAUSE", help="Release the hold with this cause, as `claudeflow holds` names it."
)
@json_option
@places_options("socket", "config")
@click.pass_context
def command(context: click.Context, scope: str, reason: str | None, cause: str | None, as_json: bool) -> None:
    """Release the hold on SCOPE: the one set by hand if there is one, else the one set by claudeflow.

    A hold on one scope never ends another's. Where the cause of a hold that claudeflow set is not over,
    the next call sets it again. Exit code 5 when nothing holds SCOPE.
    """
    release_hold(context, scope, reason, cause, as_json=as_json)
