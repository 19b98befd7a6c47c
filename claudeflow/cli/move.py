"""`claudeflow move`: give waiting jobs another lane or priority."""

from __future__ import annotations

import json
from typing import Any, Unpack

import click

from claudeflow.cli.by_filter import Wish, by_filter, change_matching, filter_options
from claudeflow.cli.ids import for_each, ids_if_any
from claudeflow.cli.offline import checked, either_door
from claudeflow.cli.output import print_json, printable
from claudeflow.cli.places import places_options


@click.command(
    "move",
    short_help="Give waiting jobs another lane or priority.",
    epilog="\b\nExamples:\n  claudeflow move 42 43 --lane interactive\n  claudeflow move 42 --priority 50",
)
@ids_if_any
@filter_options
@click.option("--lane", metavar="LANE", help="The lane to go to.")
@click.option(
    "--priority", type=click.IntRange(-100, 100), help="Within the workflow; higher goes first: -100 to 100."
)
@click.option("--json", "as_json", is_flag=True, help="Print the jobs as JSON.")
@places_options("socket", "config")
@click.pass_context
def command(
    context: click.Context,
    job_ids: tuple[int, ...],
    lane: str | None,
    priority: int | None,
    as_json: bool,
    **wish: Unpack[Wish],
) -> None:
    """Give jobs that wait another lane, another priority, or both.

    Exit code 6 for a job that runs or is finished.
    """
    if lane is None and priority is None:
        raise click.UsageError("say where to: --lane, --priority or both")
    wanted = {"lane": lane, "priority": priority}
    place = {name: value for name, value in wanted.items() if value is not None}
    if by_filter(job_ids, wish):
        change_matching(context, "move", place, wish, as_json=as_json)
        return
    body = json.dumps(place).encode()
    door = either_door(context)
    records: list[Any] = []

    def move(job_id: int) -> None:
        record = checked(door.call("PATCH", f"/v1/jobs/{job_id}", body=body)).json()
        records.append(record)
        if not as_json:
            click.echo(f"job {job_id} in lane {printable(record['lane'])}, priority {record['priority']}")

    try:
        for_each(job_ids, move)
    finally:
        if as_json:
            print_json(records)
