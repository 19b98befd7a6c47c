"""`claudeflow batches`: Message Batches, what waits for the next one, and stopping one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from claudeflow.cli.offline import checked, either_door
from claudeflow.cli.output import console, note, print_json, printable, span
from claudeflow.cli.places import places_options
from claudeflow.domain.errors import DaemonUnreachable

WIDER = "make the terminal wider, or take --json"
NONE_YET = 'there is no batch yet: lanes with batch = "slack" or "always" use them, see docs/batches.md'
NO_DAEMON = "no daemon runs that could send them"

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON: money in nano-dollars.")
number_argument = click.argument("number", type=click.IntRange(min=1), metavar="N")


@click.group(
    "batches",
    short_help="Show Message Batches and what waits for one, or stop one.",
    epilog="\b\nExamples:\n  claudeflow batches list\n  claudeflow batches show 12",
)
@places_options("socket", "config")
def command() -> None:
    """Show Message Batches and what waits for the next one, or stop one."""


@command.command(
    "list",
    short_help="List batches, newest first, and what waits for the next one.",
    epilog="\b\nExamples:\n  claudeflow batches list\n  claudeflow batches list --before 12 --limit 50",
)
@click.option("--before", type=click.IntRange(min=1), metavar="N", help="Only batches older than this one.")
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="At most so many.")
@json_option
@places_options("socket", "config")
@click.pass_context
def list_batches(context: click.Context, before: int | None, limit: int, as_json: bool) -> None:
    """List batches, newest first; below them the jobs that wait for the next one, why, and until when."""
    door = either_door(context)
    query = {"limit": str(limit)} | ({} if before is None else {"before": str(before)})
    found = checked(door.call("GET", "/v1/batches", query=query)).json()
    waiting = found["waiting"] if before is None else []
    if as_json:
        print_json(found)
    elif not found["batches"] and not waiting:
        note(NONE_YET if before is None else f"no batch is older than {before}")
    else:
        if door.is_offline:
            waiting = [{**row, "why": NO_DAEMON, "until": None} for row in waiting]
        _print_tables({**found, "waiting": waiting})


@command.command(
    "show",
    short_help="Show everything about a batch.",
    epilog="\b\nExample:\n  claudeflow batches show 12",
)
@number_argument
@json_option
@places_options("socket", "config")
@click.pass_context
def show(context: click.Context, number: int, as_json: bool) -> None:
    """Show everything about batch N: times, counts, caching, what it cost, and what Messages would have."""
    found = checked(either_door(context).call("GET", f"/v1/batches/{number}")).json()
    if as_json:
        print_json(found)
        return
    from rich.table import Table
    from rich.text import Text

    from claudeflow.cli.batch_board import STYLE, lines_of

    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in lines_of(found):
        grid.add_row(name, Text(printable(value), style=STYLE.get(value, "") if name == "state" else ""))
    console().print(grid)


@command.command(
    "cancel",
    short_help="Have a batch stopped.",
    epilog="\b\nExamples:\n  claudeflow batches cancel 12\n  claudeflow batches cancel 12 --jobs",
)
@number_argument
@click.option("--jobs", is_flag=True, help="Cancel its jobs too; without it they go on in another way.")
@json_option
@places_options("socket", "config")
@click.pass_context
def cancel(context: click.Context, number: int, jobs: bool, as_json: bool) -> None:
    """Have batch N stopped, and say what happens next. What the API has begun may still be answered and
    billed. Needs the running daemon.
    """
    door = either_door(context)
    door.stay_online()
    try:
        answer = door.call("POST", f"/v1/batches/{number}/cancel", body=json.dumps({"jobs": jobs}).encode())
    except DaemonUnreachable as error:
        raise DaemonUnreachable(f"{error}, and batches are stopped by the running daemon") from error
    found = checked(answer).json()
    if as_json:
        print_json(found)
        return
    click.echo(printable(what_next(found, jobs=jobs)))


def what_next(found: Mapping[str, Any], *, jobs: bool) -> str:
    """What becomes of a batch that somebody wants stopped, and of its jobs."""
    api_id = f" ({found['api_id']})" if found["api_id"] else ""
    name, gone = f"batch {found['id']}{api_id}", "its jobs are cancelled"
    match found["state"]:
        case "filling" | "ready":
            return f"{name} does not leave; {gone if jobs else 'its jobs go by Messages'}"
        case "creating":
            then = gone if jobs else "its jobs go on in another way"
            return f"{name} may have reached the API: as soon as that is known it is stopped; {then}"
        case "ended":
            results = "its results are being read"
            return f"{name} has ended already, {results}{': jobs without one are cancelled' if jobs else ''}"
        case state:
            stops = "is stopping" if state == "canceling" else "is asked to stop"
            then = gone if jobs else "the other jobs go on by another batch, or by Messages"
            return f"the API {stops} {name}; what it has begun may be answered and billed, {then}"


def _print_tables(found: Mapping[str, Any]) -> None:
    from claudeflow.cli import batch_board as board

    screen = console()
    parts: list[Any] = []
    remarks: list[str] = []
    for rows, draw in ((found["batches"], board.batches_board), (found["waiting"], board.waiting_board)):
        if rows:
            part, layout = draw(rows, screen.width)
            parts.append(part)
            remarks.append(layout.remark(WIDER))
    parts.append(f"nine of ten batches take {span(found['usual_s'])} or less")
    if found["next"]:
        remarks.append(f"there are more: --before {found['next']}")
    for place, part in enumerate(parts):
        screen.print(*(["", part] if place else [part]), sep="\n")
    for remark in filter(None, remarks):
        note(remark)
