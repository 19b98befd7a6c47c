"""`claudeflow packs`: what packs have done, what canaries have shown, and packing a prompt again."""

from __future__ import annotations

from urllib.parse import quote

import click

from claudeflow.cli.offline import checked, either_door
from claudeflow.cli.output import console, note, print_json, printable
from claudeflow.cli.places import places_options

WIDER = "make the terminal wider, or take --json"
NONE_YET = "no prompt has a [pack] table, and none was packed: docs/packs.md says when that pays"

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(
    "packs",
    invoke_without_command=True,
    short_help="Show what shared calls have done, or pack a prompt again.",
    epilog="\b\nExamples:\n  claudeflow packs\n  claudeflow packs reset ticket-triage\n"
    "  claudeflow packs --json | jq '.prompts[] | select(.is_packed | not) | {prompt, why}'",
)
@json_option
@places_options("socket", "config")
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:
    """Show each prompt version whose jobs share calls: packs and the jobs in them, how many were answered,
    how many went singly and why, requests saved, canaries and how many of the newer ones disagreed, whether
    it is packed now, and why. Without a daemon it shows what the store remembers.
    """
    if context.invoked_subcommand is None:
        _show(context, as_json=as_json)


def _show(context: click.Context, *, as_json: bool) -> None:
    found = checked(either_door(context).call("GET", "/v1/packs")).json()
    if as_json:
        print_json(found)
        return
    if not found["prompts"]:
        note(NONE_YET)
        return
    from claudeflow.cli.packs_board import packs_board

    screen = console()
    board, layout = packs_board(found["prompts"], screen.width)
    screen.print(board)
    if remark := layout.remark(WIDER):
        note(remark)


@command.command(
    "reset",
    short_help="Forget what canaries have shown of a prompt.",
    epilog="\b\nExample:\n  claudeflow packs reset ticket-triage",
)
@click.argument("name", metavar="NAME")
@json_option
@places_options("socket", "config")
@click.pass_context
def reset(context: click.Context, name: str, as_json: bool) -> None:
    """Forget what canaries have shown of prompt NAME: it is packed again, until new ones show the same."""
    found = checked(either_door(context).call("POST", f"/v1/packs/{quote(name, safe='')}/reset")).json()
    if as_json:
        print_json(found)
        return
    for row in found["prompts"]:
        verb = "is packed" if row["is_packed"] else "is not packed"
        click.echo(printable(f"prompt {name} {row['version']} {verb}: {row['why']}"))
