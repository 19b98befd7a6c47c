"""`claudeflow hold`: keep jobs from going out."""

from __future__ import annotations

import click

from claudeflow.cli.holding import json_option, set_hold, until_option
from claudeflow.cli.places import places_options


@click.command(
    "hold",
    short_help="Keep jobs from going out.",
    epilog="\b\nExamples:\n"
    '  claudeflow hold workflow:ticket-triage --reason "its prompt is wrong"\n'
    '  claudeflow hold all --reason "bill of the month is looked at" --until +2h',
)
@click.argument("scope", metavar="SCOPE")
@click.option(
    "--reason", metavar="TEXT", required=True, help="Why: shown with the hold, kept in the history."
)
@until_option
@json_option
@places_options("socket", "config")
@click.pass_context
def command(context: click.Context, scope: str, reason: str, until: str | None, as_json: bool) -> None:
    """Keep jobs from going out until somebody releases them.

    SCOPE is all, pool:NAME, model:NAME, lane:NAME, workflow:NAME or job:ID. Jobs are still accepted and
    wait; calls that are out already may end. Holding again changes the reason and the end.
    """
    set_hold(context, scope, reason, until, as_json=as_json)
