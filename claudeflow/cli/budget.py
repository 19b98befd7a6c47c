"""`claudeflow budget`: how budgets stand, their limits, and what their thresholds hold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import click

from claudeflow.cli.offline import EitherDoor, checked, either_door
from claudeflow.cli.output import console, note, print_json, printable
from claudeflow.cli.places import places_options
from claudeflow.cli.record import local
from claudeflow.domain.errors import DaemonUnreachable
from claudeflow.domain.money import dollars

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


class Dollars(click.ParamType[float]):
    """An amount such as 600, 600.50 or $600."""

    name = "usd"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The amount as a number."""
        try:
            return float(str(value).removeprefix("$").replace(",", ""))
        except ValueError:
            self.fail(f"{value!r} is no amount of US dollars: write 600 or 600.50", param, ctx)


@click.group(
    "budget",
    short_help="Show budgets, set their limits, release what they hold.",
    epilog="\b\nExamples:\n  claudeflow budget show\n  claudeflow budget set team 600",
)
@places_options("socket", "config")
def command() -> None:
    """Show budgets, set their limits, release what their thresholds hold."""


@command.command(
    "show",
    short_help="Show how every budget stands.",
    epilog="\b\nExamples:\n  claudeflow budget show\n  claudeflow budget show --json",
)
@json_option
@places_options("socket", "config")
@click.pass_context
def show(context: click.Context, as_json: bool) -> None:
    """Show each budget: what is spent, under way and left, the forecast, and when it begins anew."""
    found = checked(either_door(context).call("GET", "/v1/budgets")).json()
    if as_json:
        print_json(found)
        return
    from claudeflow.cli.budget_board import lines_below, table_of

    if found["budgets"]:
        console().print(table_of(found["budgets"]))
    else:
        note("no budget is configured; etc/claudeflow.toml shows how")
    for line in lines_below(found):
        click.echo(printable(line))


@command.command(
    "set",
    short_help="Set the limit of a budget.",
    epilog='\b\nExamples:\n  claudeflow budget set team 600 --reason "quarter end"\n'
    "  claudeflow budget set bulk-a-day 40 --until-reset",
)
@click.argument("name", metavar="NAME")
@click.argument("limit_usd", metavar="USD", type=Dollars())
@click.option("--reason", metavar="TEXT", help="Why: kept in the history.")
@click.option("--until-reset", is_flag=True, help="Only until the present month or day ends.")
@json_option
@places_options("socket", "config")
@click.pass_context
def set_limit(
    context: click.Context,
    name: str,
    limit_usd: float,
    *,
    reason: str | None,
    until_reset: bool,
    as_json: bool,
) -> None:
    """Set the limit of budget NAME to USD. It holds at once and over restarts, until it is set again or
    the configuration names another limit. Needs the running daemon.
    """
    wanted = {"limit_usd": limit_usd, "until_reset": until_reset} | ({"reason": reason} if reason else {})
    report = _asked(context, "PUT", f"/v1/budgets/{quote(name, safe='')}", wanted)
    if as_json:
        print_json(report)
        return
    until = f" until {local(report['limit_until'])}" if report["limit_until"] else ""
    left = dollars(report["left_nanousd"])
    click.echo(printable(f"budget {report['name']}: {dollars(report['limit_nanousd'])}{until}, {left} left"))


@command.command(
    "release",
    short_help="Let go what a budget's thresholds hold.",
    epilog='\b\nExample:\n  claudeflow budget release team --reason "the customer waits"',
)
@click.argument("name", metavar="NAME")
@click.option("--reason", metavar="TEXT", required=True, help="Why: kept in the history.")
@json_option
@places_options("socket", "config")
@click.pass_context
def release(context: click.Context, name: str, reason: str, as_json: bool) -> None:
    """Let go what the thresholds of budget NAME hold, slow or give to a cheaper model, until its period ends.

    The limit itself still holds: `claudeflow budget set` raises it. Needs the running daemon.
    """
    report = _asked(context, "POST", f"/v1/budgets/{quote(name, safe='')}/release", {"reason": reason})
    if as_json:
        print_json(report)
        return
    click.echo(printable(f"budget {report['name']}: released until {local(report['released_until'])}"))
    if report["why"]:
        note(printable(report["why"]))


@command.command(
    "history",
    short_help="Show what happened to budgets.",
    epilog="\b\nExample:\n  claudeflow budget history --limit 20",
)
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many entries."
)
@json_option
@places_options("socket", "config")
@click.pass_context
def history(context: click.Context, limit: int, as_json: bool) -> None:
    """Show who set and released what, and which thresholds were reached, the newest first."""
    answer = either_door(context).call("GET", "/v1/budgets/history", query={"limit": str(limit)})
    found = checked(answer).json()
    if as_json:
        print_json(found)
    elif found["changes"]:
        from claudeflow.cli.budget_board import history_table

        console().print(history_table(found["changes"]))
    else:
        note("nothing happened to any budget")


def _asked(context: click.Context, method: str, path: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
    door: EitherDoor = either_door(context)
    door.stay_online()
    try:
        answer = door.call(method, path, body=json.dumps(wanted).encode())
    except DaemonUnreachable as error:
        raise DaemonUnreachable(f"{error}, and budgets change in the running daemon") from error
    found = checked(answer).json()
    assert isinstance(found, dict)
    return found
