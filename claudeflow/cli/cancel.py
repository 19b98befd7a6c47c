"""`claudeflow cancel`: stop jobs that are not finished."""

from __future__ import annotations

import click

from claudeflow.cli.ids import change_jobs, ids_argument
from claudeflow.cli.places import places_options


@click.command(
    "cancel",
    short_help="Cancel jobs that are not finished.",
    epilog="\b\nExample:\n  claudeflow cancel 42 43",
)
@ids_argument
@click.option("--json", "as_json", is_flag=True, help="Print the jobs as JSON.")
@places_options("socket", "config")
@click.pass_context
def command(context: click.Context, job_ids: tuple[int, ...], as_json: bool) -> None:
    """Cancel jobs that are queued, held or running.

    A call that is already in flight is still paid for. Exit code 6 for a job that is finished.
    """
    change_jobs(context, job_ids, "cancel", as_json=as_json)
