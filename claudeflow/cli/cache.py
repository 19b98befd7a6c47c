"""`claudeflow cache`: what is cached, for how long, and what it has saved."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from claudeflow.cli.offline import checked, either_door
from claudeflow.cli.output import console, note, print_json
from claudeflow.cli.places import places_options

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
@click.option("--limit", type=click.IntRange(min=1), default=30, show_default=True, help="At most so many.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: money in nano-dollars.")
@places_options("socket", "config")
@click.pass_context
def command(context: click.Context, workflow: str | None, sort: str, limit: int, as_json: bool) -> None:
    """Show each prefix: its size, how long it is kept and why, reads and writes, and what it has saved;
    then the share of each workflow's input that was read from the cache.

    docs/caching.md says what the columns mean. Without a daemon it shows what the store remembers.
    """
    query = {} if workflow is None else {"workflow": workflow}
    found = checked(either_door(context).call("GET", "/v1/cache", query=query)).json()
    key, largest_first = ORDERS[sort]
    prefixes = sorted(found["prefixes"], key=key, reverse=largest_first)
    if as_json:
        print_json({**found, "prefixes": prefixes})
        return
    if not prefixes and not found["workflows"]:
        note(NOTHING_YET if workflow is None else f"workflow {workflow} has called nothing lately")
        return
    _print_tables(prefixes[:limit], found["workflows"])
    if len(prefixes) > limit:
        note(f"{len(prefixes) - limit:,} more prefixes: --limit {len(prefixes)}")


def _print_tables(prefixes: Sequence[Row], workflows: Sequence[Row]) -> None:
    from claudeflow.cli import cache_board as board

    screen = console()
    if prefixes:
        screen.print(board.prefixes_table(prefixes))
    if prefixes and workflows:
        screen.print()
    if workflows:
        screen.print(board.shares_table(workflows))
