"""`claudeflow explain`: which rule or bucket holds a job, its place, and when it goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from claudeflow.cli.ids import id_argument
from claudeflow.cli.offline import checked, either_door
from claudeflow.cli.output import print_json, printable
from claudeflow.cli.places import places_options
from claudeflow.cli.record import when


@click.command(
    "explain",
    short_help="Say why a job waits, and when it goes.",
    epilog="\b\nExample:\n  claudeflow explain 42",
)
@id_argument
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@places_options("socket", "config")
@click.pass_context
def command(context: click.Context, job_id: int, as_json: bool) -> None:
    """Say which rule or limit holds a job, how many go before it, and when it is expected to go.

    The estimate takes it that nothing else comes in.
    """
    found = checked(either_door(context).call("GET", f"/v1/jobs/{job_id}/explain")).json()
    if as_json:
        print_json(found)
        return
    for line in lines_of(found):
        click.echo(printable(line))


def lines_of(found: Mapping[str, Any]) -> list[str]:
    """The explanation in sentences."""
    state = "" if found["rule"] == "finished" else f" is {found['state']}"
    lines = [f"job {found['id']}{state}: {found['why']}"]
    if found["until"]:
        lines.append(f"that is looked at again {when(found['until'])}")
    ahead = found["ahead"]
    if ahead:
        own = f"{ahead['workflow']:,} of its workflow ({ahead['flow']:,} of the same model)"
        others = f"about {ahead['lane']:,} of its lane, {ahead['pool']:,} of its pool"
        lines.append(f"jobs that go before it: {own}, {others}")
    if found["goes_at"]:
        lines.append(f"expected to go {when(found['goes_at'])}, if nothing else comes in")
    return lines
