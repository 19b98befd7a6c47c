"""`claudeflow submit`: one job, or many."""

from __future__ import annotations

from typing import Any

import click
from click.core import ParameterSource

from claudeflow.cli.answers import print_answer
from claudeflow.cli.bulk import submit_lines
from claudeflow.cli.exits import Exit
from claudeflow.cli.job_text import dump, read_job, read_pairs, read_variables
from claudeflow.cli.offline import EitherDoor, checked, either_door
from claudeflow.cli.output import is_terminal, note, print_json
from claudeflow.cli.places import places_options
from claudeflow.cli.waiting import get_job, is_settled, timed_out, wait_for

FOR_EVER = "for ever"


class _Wait(click.ParamType[float | str]):
    """Seconds, or nothing at all for as long as it takes."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | str:
        if value == FOR_EVER:
            return FOR_EVER
        try:
            return max(0.0, float(value))
        except ValueError:
            self.fail(f"{value!r} is no number of seconds; write --wait=60, or --wait last", param, ctx)


EPILOG = """\b
Examples:
  claudeflow submit request.json --lane bulk
  claudeflow submit --prompt triage --input subject="VPN is down" --input body=@mail.txt --wait
  claudeflow submit --jsonl jobs.jsonl --workflow questionnaires

\b
FILE is JSON: a Messages body, or a job with "request" or with "prompt" and "input".
Options win over what FILE says; for --jsonl they fill in what a line does not say.
Times are RFC 3339 with a zone, or +45s, +30m, +2h, +1d from now.
"""


@click.command("submit", short_help="Ask for one job, or for many.", epilog=EPILOG)
@click.argument("file", required=False, metavar="[FILE|-]")
@click.option("--prompt", metavar="NAME", help="Use this prompt template.")
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="FILE|-|KEY=VALUE",
    help="Variables of --prompt; KEY=@FILE reads.",
)
@click.option("--jsonl", metavar="FILE|-", help="Submit one job for each line; one bad line refuses all.")
@click.option("--partial", is_flag=True, help="With --jsonl: submit the good lines, name the bad ones.")
@click.option("--lane", envvar="CLAUDEFLOW_LANE", show_envvar=True, help="Priority class.")
@click.option("--workflow", envvar="CLAUDEFLOW_WORKFLOW", show_envvar=True, help="Application that asks.")
@click.option("--priority", type=click.IntRange(-100, 100), help="Within the workflow; higher goes first.")
@click.option("--deadline", metavar="TIME", help="Not worth answering later than this.")
@click.option("--not-before", metavar="TIME", help="Not to be sent earlier than this.")
@click.option("--dedupe-key", metavar="KEY", help="Submit only if no job has this key yet.")
@click.option("--metadata", multiple=True, metavar="KEY=VALUE", help="Kept with the job; may be repeated.")
@click.option(
    "--wait",
    type=_Wait(),
    is_flag=False,
    flag_value=FOR_EVER,
    metavar="[SECONDS]",
    help="Wait for the answer and print it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@places_options("socket", "config")
@click.pass_context
def command(context: click.Context, /, **options: Any) -> Exit:
    """Ask for one job, or for many, and print the job's id.

    Give exactly one of FILE, --prompt and --jsonl.
    """
    _check(options)
    defaults, overrides = _extras(context, options)
    door = either_door(context)
    as_json: bool = options["as_json"]
    if options["jsonl"]:
        extras = {**defaults, **overrides}
        return submit_lines(door, options["jsonl"], extras, partial=options["partial"], as_json=as_json)
    if options["prompt"]:
        job = {"prompt": options["prompt"], "input": read_variables(options["inputs"])}
    else:
        job = read_job(options["file"])
    submitted = checked(door.call("POST", "/v1/jobs", body=dump({**defaults, **job, **overrides}))).json()
    if options["wait"] is not None:
        _wait_and_print(door, submitted["id"], options["wait"], as_json=as_json)
    else:
        _print_submitted(door, submitted, as_json=as_json)
    return Exit.OK


def _check(options: dict[str, Any]) -> None:
    """Raise UsageError for options that do not go together."""
    given = [name for name in ("file", "prompt", "jsonl") if options[name]]
    if len(given) != 1:
        raise click.UsageError("give exactly one of FILE, --prompt and --jsonl")
    if options["inputs"] and not options["prompt"]:
        raise click.UsageError("--input needs --prompt")
    if options["partial"] and not options["jsonl"]:
        raise click.UsageError("--partial needs --jsonl")
    if options["jsonl"] and options["dedupe_key"]:
        raise click.UsageError("--dedupe-key names one job: put dedupe_key into the lines of --jsonl")
    if options["jsonl"] and options["wait"] is not None:
        raise click.UsageError("--wait waits for one job: use claudeflow wait after --jsonl")


def _extras(context: click.Context, options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields of a job that the environment sets (defaults) and those that options set (overrides)."""
    defaults: dict[str, Any] = {}
    overrides: dict[str, Any] = {}
    for name in ("lane", "workflow", "priority", "deadline", "not_before", "dedupe_key"):
        from_environment = context.get_parameter_source(name) is ParameterSource.ENVIRONMENT
        if options[name] is not None:
            (defaults if from_environment else overrides)[name] = options[name]
    if options["metadata"]:
        overrides["metadata"] = read_pairs(options["metadata"])
    return defaults, overrides


def _print_submitted(door: EitherDoor, submitted: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(submitted)
    elif is_terminal():
        record = get_job(door, submitted["id"])
        existing = "" if submitted["created"] else " existed already,"
        click.echo(f"job {record['id']}{existing} {record['state']} in lane {record['lane']}")
    else:
        click.echo(submitted["id"])


def _wait_and_print(door: EitherDoor, job_id: int, wait: float | str, *, as_json: bool) -> None:
    """Wait for the job and print its answer. Raises Failure."""
    note(f"job {job_id} submitted")
    record = wait_for(door, job_id, None if isinstance(wait, str) else wait)
    if not is_settled(record):
        raise timed_out(record)
    print_answer(get_job(door, job_id, result=True), as_json=as_json)
