"""`claudeflow status`: lanes, limits, holds and spend on one screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from claudeflow.cli.offline import checked, either_door
from claudeflow.cli.output import console, note, print_json, printable, span
from claudeflow.cli.places import places_options

TROUBLES_SHOWN = 3
WIDER = "make the terminal wider, or take --json"


@click.command(
    "status",
    short_help="Show lanes, limits, holds and spend.",
    epilog="\b\nExamples:\n  claudeflow status\n  claudeflow status --json | jq '.lanes[] | {lane, queued}'",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print JSON: durations in seconds, money in nano-dollars."
)
@places_options("socket", "config")
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:
    """Show lanes, limits, holds and spend.

    Counts, tokens and cost of a lane are since the daemon started; the spend is all that the books hold.
    """
    door = either_door(context)
    status = checked(door.call("GET", "/v1/status")).json()
    if as_json:
        print_json(status)
    else:
        _print_screen(status)


def _print_screen(status: Mapping[str, Any]) -> None:
    from rich.text import Text

    from claudeflow.cli import board

    parts: list[Any] = [Text(headline(status), style="bold")]
    if status["holds"]:
        parts += ["", board.holds_table(status["holds"])]
    screen = console()
    lanes = board.lanes_board(status["lanes"], screen.width)
    parts += ["", lanes.table(status["lanes"])]
    if status["pools"]:
        parts += ["", board.pools_table(status["pools"]), "", board.buckets_table(status["pools"])]
    parts += ["", board.spend_line(status["spend"]), *mailbox_lines(status["mailboxes"])]
    for part in parts:
        screen.print(part)
    if lanes.left_out:
        note(lanes.remark(WIDER))


def headline(status: Mapping[str, Any]) -> str:
    """Which daemon this is, what it is doing and for how long."""
    from claudeflow.cli.record import epoch_s

    up_s = epoch_s(status["now"]) - epoch_s(status["started_at"])
    return printable(
        f"claudeflow {status['version']} {status['phase']} for {span(up_s)} ({status['instance']})"
    )


def mailbox_lines(mailboxes: Mapping[str, Any]) -> list[Any]:
    """How many mailboxes are served; and of those in trouble the first few, with the way out."""
    from rich.text import Text

    serving, trouble = mailboxes["serving"], mailboxes["trouble"]
    if not serving and not trouble:
        return []
    if not trouble:
        return [f"mailboxes: {serving:,} serving"]
    lines: list[Any] = [Text(f"mailboxes: {serving:,} serving, {len(trouble):,} in trouble", style="red")]
    lines += [
        printable(f"  {row['name']}: {row['problem']}; {row['remedy']}") for row in trouble[:TROUBLES_SHOWN]
    ]
    if len(trouble) > TROUBLES_SHOWN:
        lines.append(f"  and {len(trouble) - TROUBLES_SHOWN:,} more: claudeflow mailbox list")
    return lines
