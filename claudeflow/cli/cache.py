"""`claudeflow cache`: what is cached, for how long, and what it has saved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

from claudeflow.cli.offline import checked, either_door
from claudeflow.cli.output import console, note, print_json
from claudeflow.cli.places import places_options
from claudeflow.domain.words import plural

Row = Mapping[str, Any]

ORDERS: Mapping[str, tuple[Callable[[Row], Any], bool]] = {
    "used": (lambda row: row["last_used"] or "", True),
    "saved": (lambda row: row["saved_nanousd"], True),
    "tokens": (lambda row: row["tokens"], True),
    "writes": (lambda row: row["writes"], True),
    "reads": (lambda row: row["reads"], True),
    "misses": (lambda row: row["unexpected_misses"], True),
    "name": (lambda row: (row["workflow"], row["prompt_name"] or "", row["prefix"]), False),
}
"""What prefixes can be sorted by, and whether the largest comes first."""

SHOWN = 30
"""So many prefixes are shown unless something else is asked for."""

WIDER = "make the terminal wider, or take --json"

NOTHING_YET = (
    "nothing has been cached yet: a prompt, or a request with `system` or `tools` that several jobs share, "
    "is cached by itself once it is as long as its model asks for"
)


@click.command(
    "cache",
    short_help="Show what is cached, for how long and why, and what it has saved.",
    epilog="\b\nExamples:\n  claudeflow cache\n  claudeflow cache --workflow ticket-triage --sort saved"
    "\n  claudeflow cache --json | jq '.workflows[] | {workflow, cached_share}'",
)
@click.option("--workflow", metavar="NAME", help="Only this workflow.")
@click.option("--sort", type=click.Choice(list(ORDERS)), default="used", show_default=True, help="By what.")
@click.option(
    "--limit", type=click.IntRange(min=1), help=f"At most so many prefixes.  [default: {SHOWN}; JSON: all]"
)
@click.option("--all", "whole", is_flag=True, help="Show each prefix, also those that are not cached.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: money in nano-dollars.")
@places_options("socket", "config")
@click.pass_context
def command(
    context: click.Context, *, workflow: str | None, sort: str, limit: int | None, whole: bool, as_json: bool
) -> None:
    """Show each prefix: its size, how long it is kept and why, reads and writes, and what it has saved;
    then the share of each workflow's input that was read from the cache.

    docs/caching.md says what the columns mean. Without a daemon it shows what the store remembers.
    """
    query = {} if workflow is None else {"workflow": workflow}
    found = checked(either_door(context).call("GET", "/v1/cache", query=query)).json()
    key, largest_first = ORDERS[sort]
    prefixes = sorted(found["prefixes"], key=key, reverse=largest_first)
    if as_json:
        print_json({**found, "prefixes": prefixes[:limit]})
    elif not prefixes and not found["workflows"]:
        note(NOTHING_YET if workflow is None else f"workflow {workflow} has called nothing lately")
    else:
        _print_tables({**found, "prefixes": prefixes}, limit or SHOWN, whole)


def _print_tables(found: Row, limit: int, whole: bool) -> None:
    from claudeflow.cli import cache_board as board

    screen = console()
    shown, idle = (found["prefixes"], []) if whole else board.without_idle(found["prefixes"])
    parts: list[Any] = []
    remarks: list[str] = []
    if shown:
        part, layout = board.prefixes_board(shown[:limit], found["now"], screen.width)
        parts.append(part)
        remarks.append(layout.remark(WIDER))
    if idle:
        parts.append("\n".join(idle))
        remarks.append("--all shows every prefix")
    if found["workflows"]:
        part, layout = board.shares_board(found["workflows"], screen.width, whole=whole)
        parts.append(part)
        remarks.append(layout.remark(WIDER))
    if len(shown) > limit:
        more = plural(len(shown) - limit, "more prefix", "more prefixes")
        remarks.append(f"{more}: --limit {len(shown)}")
    for place, part in enumerate(parts):
        screen.print(*(["", part] if place else [part]), sep="\n")
    for remark in filter(None, remarks):
        note(remark)
