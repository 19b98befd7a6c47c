"""`claudeflow show`: everything about one job."""

from __future__ import annotations

import click

from claudeflow.cli.ids import id_argument
from claudeflow.cli.offline import either_door
from claudeflow.cli.output import console, print_json, printable
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
    record = get_job(either_door(context), job_id)
    if as_json:
        print_json(record)
        return
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in lines_of(record):
        style = STYLE.get(value, "") if name == "state" else ""
        grid.add_row(printable(name), Text(printable(value), style=style))
    console().print(grid)
