"""`claudeflow usage`: what was used and what it cost, by any dimension."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping
from typing import Any

import click

from claudeflow.cli.offline import EitherDoor, checked, either_door
from claudeflow.cli.output import console, note, print_json, printable
from claudeflow.cli.places import places_options
from claudeflow.cli.prompt_folder import meant
from claudeflow.domain.ledger import SUMS, Dimension
from claudeflow.domain.money import exact_usd

KINDS = ("message", "prewarm")
NAMED = ("workflow", "lane", "model", "prompt")
"""Filters whose values are names that people misspell."""

_MONEY = "_nanousd"


@click.command(
    "usage",
    short_help="Show what was used and what it cost, by any dimension.",
    epilog="\b\nExamples:\n  claudeflow usage --by workflow\n"
    "  claudeflow usage --by day,model --since 2026-11-01 --until 2026-11-15\n"
    "  claudeflow usage --by workflow,model,day --since 7d --csv > usage.csv",
)
@click.option(
    "--by",
    default="workflow,model",
    show_default=True,
    metavar="LIST",
    help=f"One row for each: {', '.join(Dimension)}. Empty for the sum alone.",
)
@click.option(
    "--since",
    metavar="WHEN",
    help="7d, 24h, 2w, today, month, all, 2026-11, 2026-11-22 or a moment; UTC.  [default: month]",
)
@click.option("--until", metavar="WHEN", help="The same; it does not belong to the period itself.")
@click.option("--workflow", help="Only this workflow.")
@click.option("--lane", help="Only this lane.")
@click.option("--model", help="Only this model.")
@click.option("--prompt", help="Only this prompt.")
@click.option("--kind", type=click.Choice(KINDS), help="Only calls of this kind.")
@click.option("--submitters", is_flag=True, help="One row for whoever sent the jobs, by whole days.")
@click.option("--tokens", is_flag=True, help="Show each kind of token instead of what was saved.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: money in whole nano-dollars.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV: money in dollars with nine decimals.")
@places_options("socket", "config")
@click.pass_context
def command(
    context: click.Context,
    /,
    as_json: bool,
    as_csv: bool,
    tokens: bool,
    submitters: bool,
    **asked: str | None,
) -> None:
    """Show what was used and what it cost, by any dimension.

    A call counts in the hour in which it was opened. Periods are in whole hours, days and months in UTC,
    as the API counts them.
    """
    if as_json and as_csv:
        raise click.UsageError("--json and --csv are two forms of the same: choose one")
    query = {name: value for name, value in asked.items() if value is not None}
    door = either_door(context)
    if submitters:
        _show_submitters(door, query, as_json=as_json, others=as_csv or tokens or any(map(asked.get, NAMED)))
        return
    found = checked(door.call("GET", "/v1/usage", query=query)).json()
    strangers = [] if found["rows"] else _strangers(door, asked)
    if as_json:
        print_json(found)
    elif as_csv:
        _print_csv(found)
    elif found["rows"]:
        _print_table(found, tokens)
    elif not strangers:
        note(f"nothing was used {_period(found)}")
    for said in strangers:
        note(said)


def _show_submitters(door: EitherDoor, query: Mapping[str, str], *, as_json: bool, others: bool) -> None:
    if others or "kind" in query:
        raise click.UsageError("--submitters goes with --since, --until and --json only")
    window = {name: value for name, value in query.items() if name in ("since", "until")}
    found = checked(door.call("GET", "/v1/usage/submitters", query=window)).json()
    if as_json:
        print_json(found)
        return
    if not found["rows"]:
        note(f"nothing was used {_period(found)}")
        return
    from claudeflow.cli.submitters_table import submitters_layout

    screen = console()
    layout = submitters_layout(found["rows"], screen.width)
    screen.print(layout.table(found["rows"]))
    if remark := layout.remark("make the terminal wider, or take --json"):
        note(remark)


def _strangers(door: EitherDoor, asked: Mapping[str, str | None]) -> list[str]:
    """Names that no call in the books ever had, with those that may have been meant."""
    said = []
    for name in NAMED:
        value = asked[name]
        if value is not None:
            query = {"by": name, "since": "all"}
            rows = checked(door.call("GET", "/v1/usage", query=query)).json()["rows"]
            known = [row[name] for row in rows if row[name]]
            if value not in known:
                said.append(printable(f"no call in the books has {name} {value}{meant(value, known)}"))
    return said


def _print_table(found: Mapping[str, Any], tokens: bool) -> None:
    from claudeflow.cli.usage_table import remarks, usage_table

    screen = console()
    table, left_out = usage_table(found, screen.width, tokens=tokens)
    screen.print(table)
    for remark in remarks(found["total"]):
        screen.print(remark)
    if left_out:
        note(f"no room for {', '.join(left_out)}: make the terminal wider, or take --csv")


def _print_csv(found: Mapping[str, Any]) -> None:
    """One line for each row; no totals, so that sums over a column are right."""
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow([*found["by"], *(name.replace(_MONEY, "_usd") for name in SUMS)])
    for row in found["rows"]:
        sums = (exact_usd(row[name]) if name.endswith(_MONEY) else row[name] for name in SUMS)
        out.writerow([*(row[dimension] or "" for dimension in found["by"]), *sums])


def _period(found: Mapping[str, Any]) -> str:
    """The window in words."""
    since, until = found["since"], found["until"]
    if since is None and until is None:
        return "at all"
    return " ".join(
        f"{word} {moment[:16]}Z" for word, moment in (("from", since), ("until", until)) if moment is not None
    )
