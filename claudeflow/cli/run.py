"""`claudeflow run`: the daemon in the foreground."""

from __future__ import annotations

import click

from claudeflow.cli.exits import Exit
from claudeflow.cli.places import places_of, places_options
from claudeflow.cli.problems import Failure
from claudeflow.domain.errors import StoreLocked


@click.command(
    "run",
    short_help="Run the daemon in the foreground.",
    epilog="\b\nExample:\n  claudeflow run --config /etc/claudeflow/claudeflow.toml",
)
@places_options("config")
@click.pass_context
def command(context: click.Context) -> int:
    """Run the daemon in the foreground.

    It listens on its socket, works through the store and sends to the Claude API until SIGTERM or
    Ctrl-C; then it finishes the calls in flight. Under systemd use claudeflow.service instead.
    """
    from claudeflow.daemon.lifecycle import run_daemon

    try:
        return run_daemon(places_of(context).config)
    except StoreLocked as error:
        raise Failure(Exit.FAILED, str(error)) from error
