"""`claudeflow reconcile`: do the books agree with what the provider reports?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from claudeflow.cli.exits import Exit
from claudeflow.cli.offline import checked, either_door
from claudeflow.cli.output import console, note, print_json, printable
from claudeflow.cli.places import places_options
from claudeflow.domain.money import usd
from claudeflow.domain.words import plural

if TYPE_CHECKING:
    from rich.table import Table

    from claudeflow.cli.fitting import Layout

TIMEOUT_S = 300.0
PLACES = 6
KIND_NAMES: Mapping[str, str] = {
    "input_tokens": "input tokens",
    "cache_write_5m_tokens": "cache writes (5 min)",
    "cache_write_1h_tokens": "cache writes (1 h)",
    "cache_read_tokens": "cache reads",
    "output_tokens": "output tokens",
    "web_searches": "web searches",
    "cost_nanousd": "cost",
}
BY = ("day", "model")


@click.command(
    "reconcile",
    short_help="Compare the books with the provider's usage and cost reports.",
    epilog="\b\nExamples:\n  claudeflow reconcile\n  claudeflow reconcile --since 2026-11-01 --by day\n"
    "  claudeflow reconcile --last --json | jq '.cells[] | select(.agrees | not)'",
)
@click.option(
    "--since",
    metavar="WHEN",
    help="7d, 24h, 2w, today, month, all, 2026-11, 2026-11-22 or a moment; UTC.  [default: the last 7 days]",
)
@click.option("--until", metavar="WHEN", help="The same; without it, as far as reports are complete.")
@click.option(
    "--by", type=click.Choice(BY), help="One row for each day, or each model; without it, for both."
)
@click.option("--last", is_flag=True, help="Show the last comparison instead of asking for reports.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: money in nano-dollars.")
@places_options("socket", "config")
@click.pass_context
def command(
    context: click.Context, *, since: str | None, until: str | None, by: str | None, last: bool, as_json: bool
) -> None:
    """Compare the books with the provider's usage and cost reports, and say what does not agree.

    The daemon asks, with an admin key of its own. Exit code 1 when something does not agree,
    3 without a daemon or without a report, 5 when there is nothing to compare, 78 without an admin key.
    """
    if last and (since or until):
        raise click.UsageError("--last shows what was compared then: leave --since and --until out")
    door = either_door(context)
    if last:
        found = checked(door.call("GET", "/v1/reconcile")).json()
    else:
        door.stay_online()
        query = {name: value for name, value in (("since", since), ("until", until)) if value}
        found = checked(door.call("POST", "/v1/reconcile", query=query, timeout_s=TIMEOUT_S)).json()
    if as_json:
        print_json(found)
    else:
        _print_screen(found, by)
    if not found["agrees"]:
        context.exit(Exit.FAILED)


def _print_screen(found: Mapping[str, Any], by: str | None) -> None:
    screen = console()
    screen.print(printable(headline(found)))
    if found["cells"]:
        table, layout = cells_layout(found["cells"], by, screen.width)
        screen.print()
        screen.print(table)
        remark = layout.remark("make the terminal wider, or take --json")
        if remark:
            note(remark)
    lines = [*drift_lines(found["cells"]), *unknown_lines(found["cells"]), *found["notes"]]
    for line in ["", *lines] if lines else []:
        screen.print(printable(line))


def headline(found: Mapping[str, Any]) -> str:
    """What was compared, and how it went."""
    drifts = sum(len(cell["drifts"]) for cell in found["cells"])
    verdict = "the books agree" if found["agrees"] else f"{plural(drifts, 'number')} off"
    if not found["cells"]:
        verdict = "nothing to compare yet, neither side has a call in that time"
    return (
        f"{verdict}: {_minute(found['since'])} to {_minute(found['until'])}, {found['scope']}, "
        f"by the {found['source']} report"
    )


def cells_layout(cells: Iterable[Mapping[str, Any]], by: str | None, width: int) -> tuple[Table, Layout]:
    """Both sides of each row: tokens in and out, and cost. Drifts are told to the token elsewhere."""
    from claudeflow.cli.fitting import Column, fitted

    rows = [row.shown() | names for names, row in _grouped(cells, by)]
    tiers = any(row.get("service_tier", "standard") != "standard" for row in rows)
    keys = [by] if by else ["day", "model", *(["service_tier"] if tiers else [])]
    names = [
        Column("tier" if key == "service_tier" else key, _cell(key), is_words=True, narrowest=18)
        for key in keys
    ]
    pairs = (("input", 1), ("output", 2), ("cost", 0))
    sides = [
        Column(name, _cell(f"{side} {kind}"), rank)
        for kind, rank in pairs
        for side, name in (("our", kind), ("their", "theirs"))
    ]
    layout = fitted([*names, *sides, Column("", _cell("verdict"), is_words=True)], rows, width)
    return layout.table(rows), layout


def drift_lines(cells: Iterable[Mapping[str, Any]]) -> list[str]:
    """Every number that is off, and what to look at."""
    lines = []
    for cell in cells:
        for drift in cell["drifts"]:
            kind = drift["kind"]
            ours = _allowed(kind, drift["ours_least"], drift["ours_most"])
            theirs = _amount(kind, drift["theirs"])
            lines.append(f"{_name_of(cell)}: {KIND_NAMES[kind]}: books {ours}, report {theirs}")
        lines += [f"  check: {cause}" for cause in cell["causes"]]
    return lines


def unknown_lines(cells: Iterable[Mapping[str, Any]]) -> list[str]:
    """What the report says about calls whose cost the books do not know."""
    lines = []
    for cell in cells:
        unknown = cell["unknown"]
        if unknown is None:
            continue
        number, bound = unknown["calls"], usd(unknown["bound_nanousd"], PLACES)
        billed = unknown["billed_nanousd"]
        if billed is None:
            said = "the report does not settle it"
        else:
            said = f"the report shows that {usd(billed, PLACES)} was billed" if billed else "none was billed"
        lines.append(f"{_name_of(cell)}: {plural(number, 'call')} of unknown cost, at most {bound}: {said}")
    return lines


class _Row:
    """Sums of some cells."""

    def __init__(self) -> None:
        self.input, self.output, self.cost = [0, 0], [0, 0], [0, 0]
        self.agrees, self.costed = True, True

    def add(self, cell: Mapping[str, Any]) -> None:
        for side, sums in enumerate((cell["ours"], cell["theirs"])):
            self.input[side] += sum(sums[kind] for kind in list(KIND_NAMES)[:4])
            self.output[side] += sums["output_tokens"]
            self.cost[side] += sums["cost_nanousd"] or 0
        self.costed = self.costed and cell["theirs"]["cost_nanousd"] is not None
        self.agrees = self.agrees and cell["agrees"]

    def shown(self) -> dict[str, str]:
        return {
            "our input": f"{self.input[0]:,}",
            "their input": f"{self.input[1]:,}",
            "our output": f"{self.output[0]:,}",
            "their output": f"{self.output[1]:,}",
            "our cost": usd(self.cost[0]),
            "their cost": usd(self.cost[1]) if self.costed else "-",
            "verdict": "agrees" if self.agrees else "OFF",
        }


def _cell(name: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda row: printable(row[name])


def _grouped(cells: Iterable[Mapping[str, Any]], by: str | None) -> Iterator[tuple[dict[str, str], _Row]]:
    """The names of each row, and its sums."""
    keys = (by,) if by else ("day", "model", "service_tier")
    rows: dict[tuple[str, ...], _Row] = {}
    for cell in cells:
        rows.setdefault(tuple(cell[key] for key in keys), _Row()).add(cell)
    for values, row in rows.items():
        yield dict(zip(keys, values, strict=True)), row


def _name_of(cell: Mapping[str, Any]) -> str:
    tier = "" if cell["service_tier"] == "standard" else f" ({cell['service_tier']})"
    return f"{cell['day']} {cell['model'] or 'no model'}{tier}"


def _allowed(kind: str, least: int, most: int | None) -> str:
    if most == least:
        return _amount(kind, least)
    return f"{_amount(kind, least)} to {'any' if most is None else _amount(kind, most)}"


def _amount(kind: str, number: int) -> str:
    return usd(number, PLACES) if kind == "cost_nanousd" else f"{number:,}"


def _minute(moment: str) -> str:
    return moment[:16].replace("T", " ")
