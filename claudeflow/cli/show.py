"""`claudeflow show`: everything about one job."""

from __future__ import annotations

from typing import Any

import click

from claudeflow.cli.ids import id_argument
from claudeflow.cli.offline import EitherDoor, checked, either_door
from claudeflow.cli.output import console, note, print_json, printable
from claudeflow.cli.places import places_options
from claudeflow.cli.record import STYLE, lines_of
from claudeflow.cli.waiting import get_job


@click.command(
    "show",
    short_help="Show everything about a job.",
    epilog="\b\nExample:\n  claudeflow show 42",
)
@id_argument
@click.option("--json", "as_json", is_flag=True, help="Print the job as JSON.")
@places_options("socket", "config")
@click.pass_context
def command(context: click.Context, job_id: int, as_json: bool) -> None:
    """Show everything about a job: state, what it waits for, attempts, error, cost.

    Its answer is printed by `claudeflow result`.
    """
    door = either_door(context)
    record = get_job(door, job_id)
    tries = _tries(door, job_id) if record.get("tries") else []
    if as_json:
        print_json({**record, "history": tries})
        return
    _print_record(record)
    if tries:
        _print_tries(tries)


def _tries(door: EitherDoor, job_id: int) -> list[dict[str, Any]]:
    rows = checked(door.call("GET", f"/v1/jobs/{job_id}/attempts")).json()["attempts"]
    assert isinstance(rows, list)
    return rows


def _print_record(record: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in lines_of(record):
        style = STYLE.get(value, "") if name == "state" else ""
        grid.add_row(printable(name), Text(printable(value), style=style))
    console().print(grid)


def _print_tries(tries: list[dict[str, Any]]) -> None:
    from claudeflow.cli.tries_board import WIDER, tries_board

    screen = console()
    board, layout = tries_board(tries, screen.width)
    screen.print("", board, sep="\n")
    if layout.left_out:
        note(layout.remark(WIDER))
