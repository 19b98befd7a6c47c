"""`claudeflow usage`: what was used and what it cost, by any dimension."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping
from typing import Any

import click

from claudeflow.cli.offline import checked, either_door
from claudeflow.cli.output import console, note, print_json
from claudeflow.cli.places import places_options
from claudeflow.domain.ledger import SUMS, Dimension
from claudeflow.domain.money import exact_usd

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
@click.option("--kind", help="Only calls of this kind: message or prewarm.")
@click.option("--tokens", is_flag=True, help="Show each kind of token instead of what was saved.")
@click.option("--json", "form", flag_value="json", help="Print JSON: money in whole nano-dollars.")
@click.option("--csv", "form", flag_value="csv", help="Print CSV: money in dollars with nine decimals.")
@places_options("socket", "config")
@click.pass_context
def command(context: click.Context, /, form: str | None, tokens: bool, **asked: str | None) -> None:
    """Show what was used and what it cost, by any dimension.

    A call counts in the hour in which it was opened. Periods are in whole hours, days and months in UTC,
    as the API counts them.
    """
    query = {name: value for name, value in asked.items() if value is not None}
    found = checked(either_door(context).call("GET", "/v1/usage", query=query)).json()
    if form == "json":
        print_json(found)
    elif form == "csv":
        _print_csv(found)
    elif not found["rows"]:
        note(f"nothing was used {_period(found)}")
    else:
        _print_table(found, tokens)


def _print_table(found: Mapping[str, Any], tokens: bool) -> None:
    from claudeflow.cli.usage_table import remarks, usage_table

    screen = console()
    table, left_out = usage_table(found, screen, tokens=tokens)
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
