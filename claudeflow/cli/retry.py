"""`claudeflow retry`: queue jobs again that did not succeed."""

from __future__ import annotations

from typing import Unpack

import click

from claudeflow.cli.by_filter import Wish, by_filter, change_matching, filter_options
from claudeflow.cli.ids import change_jobs, ids_if_any
from claudeflow.cli.places import places_options


@click.command(
    "retry",
    short_help="Queue jobs again that did not succeed.",
    epilog="\b\nExample:\n  claudeflow retry 42 43"
    "\n  claudeflow retry --filter 'state:failed error:overloaded*' --dry-run",
)
@ids_if_any
@filter_options
@click.option("--json", "as_json", is_flag=True, help="Print the jobs as JSON.")
@places_options("socket", "config")
@click.pass_context
def command(context: click.Context, job_ids: tuple[int, ...], as_json: bool, **wish: Unpack[Wish]) -> None:
    """Queue jobs again that failed, expired, or were cancelled or held.

    Exit code 6 for a job that succeeded or is not finished.
    """
    if by_filter(job_ids, wish):
        change_matching(context, "retry", {}, wish, as_json=as_json)
    else:
        change_jobs(context, job_ids, "retry", as_json=as_json)
