"""`claudeflow token`: secrets by which programs are known that the kernel cannot name."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import click

from claudeflow.cli.offline import checked, either_door
from claudeflow.cli.output import console, note, print_json, printable
from claudeflow.cli.places import places_options
from claudeflow.cli.remote import Answer

WIDER = "make the terminal wider, or take --json"
NONE_YET = "there is no token yet: `claudeflow token create NAME` makes one, docs/access.md says what for"
ONCE = "this is shown once: keep it where the program that is to use it finds it, and nowhere else"

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(
    "token",
    short_help="Make, list and revoke tokens.",
    epilog="\b\nExamples:\n  claudeflow token create ci --lane bulk --expires 30d\n  claudeflow token list",
)
@places_options("socket", "config")
def command() -> None:
    """Make, list and revoke tokens: for programs behind TCP, in containers, or of one user that are to
    be told apart. docs/access.md says what they may do. Works on the store itself when no daemon runs.
    """


@command.command(
    "create",
    short_help="Make a token, and print it this once.",
    epilog="\b\nExample:\n  claudeflow token create ci --lane bulk --workflow 'build-*' --expires 30d",
)
@click.argument("name", metavar="NAME")
@click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice(["read", "submit", "operate", "admin"]),
    help="What it may do; may be given several times.  [default: submit]",
)
@click.option(
    "--lane", "lanes", multiple=True, help="Where it may send jobs; * and ? are wildcards.  [default: *]"
)
@click.option("--workflow", "workflows", multiple=True, help="As which workflow.  [default: *]")
@click.option(
    "--max-queued", type=click.IntRange(0), help="Jobs it may have in the queue.  [default: no cap]"
)
@click.option(
    "--jobs-per-min", type=click.FloatRange(0), help="Jobs it may send a minute.  [default: no cap]"
)
@click.option(
    "--usd-per-day", type=click.FloatRange(0), help="What its jobs may cost a day.  [default: no cap]"
)
@click.option(
    "--expires", metavar="TIME", help="How long it is good for: 30d, 12h, or a moment.  [default: for ever]"
)
@json_option
@places_options("socket", "config")
@click.pass_context
def create(context: click.Context, /, name: str, expires: str | None, as_json: bool, **allows: Any) -> None:
    """Make the token NAME, and print it. Nobody can be told it again."""
    wanted = {key: list(value) if isinstance(value, tuple) else value for key, value in allows.items()}
    body = {
        "name": name,
        "expires_at": _moment(expires),
        **{key: value for key, value in wanted.items() if value},
    }
    made = _ask(context, "POST", "/v1/tokens", json.dumps(body).encode()).json()
    if as_json:
        print_json(made)
        return
    click.echo(made["token"])
    note(ONCE)


@command.command(
    "list", short_help="List tokens, newest first.", epilog="\b\nExample:\n  claudeflow token list --json"
)
@json_option
@places_options("socket", "config")
@click.pass_context
def list_tokens(context: click.Context, as_json: bool) -> None:
    """List every token without its text: what it may do, who made it, if it is in force, its last use."""
    found = _ask(context, "GET", "/v1/tokens").json()
    if as_json:
        print_json(found)
        return
    if not found["tokens"]:
        note(NONE_YET)
        return
    from claudeflow.cli.tokens_board import tokens_layout

    screen = console()
    layout = tokens_layout(found["tokens"], screen.width)
    screen.print(layout.table(found["tokens"]))
    if remark := layout.remark(WIDER):
        note(remark)


@command.command("revoke", short_help="Revoke a token.", epilog="\b\nExample:\n  claudeflow token revoke ci")
@click.argument("name", metavar="NAME")
@json_option
@places_options("socket", "config")
@click.pass_context
def revoke(context: click.Context, name: str, as_json: bool) -> None:
    """Revoke the token NAME: it is good for nothing from now on."""
    revoked = _ask(context, "DELETE", f"/v1/tokens/{quote(name, safe='')}").json()
    if as_json:
        print_json(revoked)
        return
    click.echo(printable(f"token {revoked['name']} is revoked"))


def _ask(context: click.Context, method: str, path: str, body: bytes | None = None) -> Answer:
    return checked(either_door(context).call(method, path, body=body))


def _moment(text: str | None) -> str | None:
    """`30d` is 30 days from now; whatever else is for the daemon to read."""
    return f"+{text}" if text is not None and text[:1].isdigit() and text[-1:] in "smhd" else text
