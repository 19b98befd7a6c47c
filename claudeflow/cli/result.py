"""`claudeflow result`: the answer of one job."""

from __future__ import annotations

import click

from claudeflow.cli.answers import print_answer
from claudeflow.cli.ids import id_argument
from claudeflow.cli.offline import either_door
from claudeflow.cli.places import places_options
from claudeflow.cli.waiting import get_job


@click.command(
    "result",
    short_help="Print the answer of a job.",
    epilog="\b\nExamples:\n  claudeflow result 42\n  claudeflow result 42 --json | jq .usage",
)
@id_argument
@click.option("--json", "as_json", is_flag=True, help="Print the whole Message as JSON.")
@places_options("socket", "config")
@click.pass_context
def command(context: click.Context, job_id: int, as_json: bool) -> None:
    """Print the answer of a job: its text, or with --json the whole Message.

    Exit code 6 when the job is not finished, 7 when it did not succeed.
    """
    print_answer(get_job(either_door(context), job_id, result=True), as_json=as_json)
