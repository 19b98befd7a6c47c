"""`claudeflow wait`: until jobs are finished."""

from __future__ import annotations

import time
from typing import Any

import click

from claudeflow.cli.answers import not_succeeded
from claudeflow.cli.exits import Exit
from claudeflow.cli.ids import for_each, ids_argument
from claudeflow.cli.offline import either_door
from claudeflow.cli.output import print_json
from claudeflow.cli.places import places_options
from claudeflow.cli.problems import Failure
from claudeflow.cli.waiting import is_settled, timed_out, wait_for
from claudeflow.domain.job import JobState


@click.command(
    "wait",
    short_help="Wait until jobs are finished.",
    epilog="\b\nExample:\n  claudeflow wait 42 43 --timeout 600 && claudeflow result 42",
)
@ids_argument
@click.option("--timeout", "timeout_s", type=click.FloatRange(min=0), metavar="SECONDS", help="Give up then.")
@click.option("--json", "as_json", is_flag=True, help="Print the jobs as JSON.")
@places_options("socket", "config")
@click.pass_context
def command(context: click.Context, job_ids: tuple[int, ...], timeout_s: float | None, as_json: bool) -> None:
    """Wait until jobs are finished, or held for a person.

    Exit code 7 when one did not succeed, 8 when the time was over first. Needs a running daemon,
    except for jobs that are finished already.
    """
    door = either_door(context)
    until = None if timeout_s is None else time.monotonic() + timeout_s
    records: list[dict[str, Any]] = []

    def wait(job_id: int) -> None:
        left_s = None if until is None else max(0.0, until - time.monotonic())
        record = wait_for(door, job_id, left_s)
        records.append(record)
        if not is_settled(record):
            raise timed_out(record)
        if record["state"] != JobState.SUCCEEDED:
            raise Failure(Exit.JOB_NOT_SUCCEEDED, not_succeeded(record).lines)
        if not as_json:
            click.echo(f"job {job_id} {record['state']}")

    try:
        for_each(job_ids, wait)
    finally:
        if as_json:
            print_json(records)
