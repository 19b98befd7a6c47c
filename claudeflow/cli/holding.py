"""Holding: setting and releasing holds, as `hold`, `release`, `pause` and `resume` do it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import click

from claudeflow.cli.offline import EitherDoor, checked, either_door
from claudeflow.cli.output import note, print_json, printable
from claudeflow.cli.record import local

reason_option = click.option("--reason", metavar="TEXT", help="Why: kept in the history.")
until_option = click.option(
    "--until", metavar="TIME", help="When it ends by itself: RFC 3339 with a zone, or +30m, +2h, +1d."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def set_hold(context: click.Context, scope: str, reason: str, until: str | None, *, as_json: bool) -> None:
    """Hold a scope and say so."""
    wanted = {"scope": scope, "reason": reason} | ({"until": until} if until else {})
    door = either_door(context)
    hold = checked(door.call("POST", "/v1/holds", body=json.dumps(wanted).encode())).json()
    if as_json:
        print_json(hold)
        return
    ends = f"until {local(hold['until'])}" if hold["until"] else f"until {_release_command(hold['scope'])}"
    click.echo(f"{printable(hold['scope'])} held {printable(ends)}")
    if not door.is_offline:
        note("calls that are out already may end")


def release_hold(
    context: click.Context, scope: str, reason: str | None, cause: str | None, *, as_json: bool
) -> None:
    """Release the hold on a scope; say what still holds it."""
    query = {name: value for name, value in (("reason", reason), ("cause", cause)) if value is not None}
    door: EitherDoor = either_door(context)
    done = checked(door.call("DELETE", f"/v1/holds/{quote(scope, safe=':')}", query=query)).json()
    if as_json:
        print_json(done)
        return
    for hold in done["released"]:
        click.echo(f"{printable(_named(hold))} released")
    for hold in done["remaining"]:
        note(f"still held: {printable(_named(hold))}: {printable(hold['reason'])}; {hold['way_out']}")


def _named(hold: Mapping[str, Any]) -> str:
    return f"{hold['scope']} ({hold['cause']})"


def _release_command(scope: str) -> str:
    kind, _, name = scope.partition(":")
    return f"claudeflow resume {name}" if kind == "lane" else f"claudeflow release {scope}"
