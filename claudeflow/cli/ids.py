"""Ids: doing one thing to several jobs, so that one that cannot be served does not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import click

from claudeflow.cli.exits import Exit
from claudeflow.cli.offline import checked, either_door
from claudeflow.cli.output import print_json
from claudeflow.cli.problems import Failure

JOB_ID = click.IntRange(min=1)

id_argument = click.argument("job_id", type=JOB_ID, metavar="ID")
ids_argument = click.argument("job_ids", type=JOB_ID, metavar="ID...", nargs=-1, required=True)
ids_if_any = click.argument("job_ids", type=JOB_ID, metavar="[ID]...", nargs=-1)


def for_each(job_ids: Iterable[int], act: Callable[[int], None]) -> None:
    """Act on each job. Failures are gathered and raised as one, with the exit code of the first."""
    failures: list[Failure] = []
    for job_id in dict.fromkeys(job_ids):
        try:
            act(job_id)
        except Failure as failure:
            if failure.exit_code is Exit.UNREACHABLE:
                raise
            failures.append(failure)
    if failures:
        raise Failure(failures[0].exit_code, [line for failure in failures for line in failure.lines])


def change_jobs(context: click.Context, job_ids: Iterable[int], action: str, *, as_json: bool) -> None:
    """Cancel or retry jobs and print what became of each."""
    door = either_door(context)
    records: list[Any] = []

    def change(job_id: int) -> None:
        record = checked(door.call("POST", f"/v1/jobs/{job_id}/{action}")).json()
        records.append(record)
        if not as_json:
            click.echo(f"job {job_id} {record['state']}")

    try:
        for_each(job_ids, change)
    finally:
        if as_json:
            print_json(records)
