"""`claudeflow whoami`: who one is to the daemon, what one may do, and how much of it is used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click

from claudeflow.cli.offline import checked, either_door
from claudeflow.cli.output import print_json, printable
from claudeflow.cli.places import places_options
from claudeflow.domain.money import dollars


@click.command(
    "whoami",
    short_help="Say who you are to the daemon, and what you may do.",
    epilog="\b\nExample:\n  claudeflow whoami --json | jq .roles",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@places_options("socket", "config")
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:
    """Say who you are to the daemon, which roles you have by which grants, where you may send jobs, and how
    much of your caps is used. Without a daemon: what you may do with the store itself.
    """
    found = checked(either_door(context).call("GET", "/v1/whoami")).json()
    if as_json:
        print_json(found)
        return
    for line in _lines(found):
        click.echo(printable(line))


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    user = "" if found["uid"] is None else f" (uid {found['uid']})"
    yield f"{found['name']}{user}: {', '.join(found['roles']) or 'no role'}"
    for grant in found["grants"]:
        yield f"  by {grant['to']}: {_words(grant)}"
    caps, used = found["caps"], found["used"]
    yield f"jobs in the queue: {used['queued']:,}{_of(caps['max_queued'], '{:,}')}"
    if caps["jobs_per_min"] is not None:
        yield f"jobs at once now: {used['jobs_now']:,} (of {caps['jobs_per_min']:g} a minute)"
    spent = used["spent_nanousd"] + used["unknown_nanousd"] + used["in_flight_nanousd"]
    cap = caps["nanousd_per_day"]
    yield f"today at most: {dollars(spent)}{'' if cap is None else f' of {dollars(cap)}'}"


def _words(grant: Mapping[str, Any]) -> str:
    roles = ", ".join(grant["roles"])
    if {"submit", "operate"}.isdisjoint(grant["roles"]):
        return roles
    return f"{roles} (lanes {_names(grant['lanes'])}; workflows {_names(grant['workflows'])})"


def _names(names: list[str]) -> str:
    return ", ".join(names) or "none"


def _of(cap: int | None, form: str) -> str:
    return "" if cap is None else f" of {form.format(cap)}"
