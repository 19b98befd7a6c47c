"""`claudeflow cancel`: stop jobs that are not finished."""

from __future__ import annotations

from typing import Unpack

import click

from claudeflow.cli.by_filter import Wish, by_filter, change_matching, filter_options
from claudeflow.cli.ids import change_jobs, ids_if_any
from claudeflow.cli.places import places_options


@click.command(
    "cancel",
    short_help="Cancel jobs that are not finished.",
    epilog="\b\nExample:\n  claudeflow cancel 42 43"
    "\n  claudeflow cancel --filter 'state:queued lane:bulk' --dry-run",
)
@ids_if_any
@filter_options
@click.option("--json", "as_json", is_flag=True, help="Print the jobs as JSON.")
@places_options("socket", "config")
@click.pass_context
def command(context: click.Context, job_ids: tuple[int, ...], as_json: bool, **wish: Unpack[Wish]) -> None:
    """Cancel jobs that are queued, held or running.

    A call that is already in flight is still paid for. Exit code 6 for a job that is finished.
    """
    if by_filter(job_ids, wish):
        change_matching(context, "cancel", {}, wish, as_json=as_json)
    else:
        change_jobs(context, job_ids, "cancel", as_json=as_json)
