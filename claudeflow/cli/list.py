"""`claudeflow list`: jobs, newest first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from claudeflow.cli.offline import checked, either_door
from claudeflow.cli.output import console, note, print_json, printable
from claudeflow.cli.places import places_options
from claudeflow.cli.record import STYLE, ago, reason
from claudeflow.domain.job import JobState


@click.command(
    "list",
    short_help="List jobs, newest first.",
    epilog="\b\nExamples:\n  claudeflow list --state failed\n  claudeflow list --lane bulk --limit 10 --json"
    "\n  claudeflow list --filter 'workflow:ticket-* error:rate_limit* -batch:true'",
)
@click.option("--filter", metavar="FILTER", help="Only jobs that meet it, such as 'state:failed age>2h'.")
@click.option("--state", type=click.Choice([state.value for state in JobState]), help="Only this state.")
@click.option("--lane", help="Only this lane.")
@click.option("--workflow", help="Only this workflow.")
@click.option("--before", type=click.IntRange(min=1), metavar="ID", help="Only jobs older than this one.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="At most so many.")
@click.option("--json", "as_json", is_flag=True, help='Print {"jobs": [...], "next": ID or null}.')
@places_options("socket", "config")
@click.pass_context
def command(context: click.Context, /, as_json: bool, **filters: Any) -> None:
    """List jobs, newest first."""
    query = {name: str(value) for name, value in filters.items() if value is not None}
    door = either_door(context)
    page = checked(door.call("GET", "/v1/jobs", query=query)).json()
    while not page["jobs"] and page["next"]:  # one question goes over so many ids only
        query["before"] = str(page["next"])
        page = checked(door.call("GET", "/v1/jobs", query=query)).json()
    if as_json:
        print_json(page)
        return
    if not page["jobs"]:
        note("no such jobs" if len(query) > 1 else "no jobs yet")
        return
    _print_table(page["jobs"])
    if page.get("next"):
        note(f"there are more: --before {page['next']}")


def _print_table(jobs: list[Mapping[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("id", "state", "lane", "workflow", "model", "age", "attempts"):
        table.add_column(name, no_wrap=True, justify="right" if name in {"id", "age", "attempts"} else "left")
    table.add_column("reason", overflow="ellipsis", no_wrap=True, ratio=1)
    for job in jobs:
        table.add_row(
            str(job["id"]),
            Text(job["state"], style=STYLE.get(job["state"], "")),
            job["lane"],
            job["workflow"],
            job["model"],
            ago(job["submitted_at"]),
            str(job["attempts"]),
            printable(reason(job)),
        )
    console().print(table)
