"""`claudeflow prices`: what calls are priced at, and what is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from claudeflow.cli.exits import Exit
from claudeflow.cli.offline import checked, either_door
from claudeflow.cli.output import console, note, print_json, printable
from claudeflow.cli.places import places_of, places_options
from claudeflow.cli.problems import Failure
from claudeflow.cli.prompt_folder import meant

if TYPE_CHECKING:
    from collections.abc import Iterable

    from claudeflow.policy.money.pricing import ModelInfo, PriceTable

_STYLE = {"error": "red", "warning": "yellow", "note": "dim"}


@click.group(
    "prices",
    short_help="List prices, or check those of the models in use.",
    epilog="\b\nExamples:\n  claudeflow prices list --model claude-haiku-5-5\n  claudeflow prices check",
)
def command() -> None:
    """List prices, or check those of the models in use."""


@command.command(
    "list",
    short_help="Print the prices in force.",
    epilog="\b\nExample:\n  claudeflow prices list --json | jq '.models[] | select(.note)'",
)
@click.option("--model", help="Only this model, by id or dated alias.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with earlier and later prices.")
@places_options("config")
@click.pass_context
def list_prices(context: click.Context, model: str | None, as_json: bool) -> None:
    """Print what a million tokens cost now, in US dollars: the shipped list with your own file over it."""
    import time

    from claudeflow.cli.prices_table import price_to_json
    from claudeflow.config import PriceSettings, load_config, load_prices

    path = places_of(context).config_if_any
    table = load_prices(load_config(path).prices if path else PriceSettings())
    models = [_found(table, model)] if model else list(table.models.values())
    now_ms = int(time.time() * 1000)
    if as_json:
        print_json({"models": [price_to_json(info, now_ms) for info in models]})
        return
    _print_list(models, now_ms)


@command.command(
    "check",
    short_help="Name what is wrong with prices of models in use.",
    epilog="\b\nExample:\n  claudeflow prices check --json | jq '.findings[].model'",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@places_options("socket", "config")
@click.pass_context
def check(context: click.Context, as_json: bool) -> None:
    """Name what is wrong with the prices of the models in use. Exit code 1 when there is an error.

    In use are the models of prompts, of `[fallback]`, of jobs that wait or run, and of recent calls.
    """
    found = checked(either_door(context).call("GET", "/v1/prices/check")).json()
    if as_json:
        print_json(found)
    else:
        _print_findings(found["findings"])
    if any(finding["level"] == "error" for finding in found["findings"]):
        context.exit(Exit.FAILED)


def _found(table: PriceTable, model: str) -> ModelInfo:
    try:
        return table.names[model]
    except KeyError:
        text = f"no price is known for {model}{meant(model, table.names)}"
        raise Failure(Exit.NOT_FOUND, printable(text)) from None


def _print_list(models: Iterable[ModelInfo], now_ms: int) -> None:
    from rich.padding import Padding

    from claudeflow.cli.prices_table import prices_layout

    screen = console()
    table, layout = prices_layout(models, now_ms, screen.width)
    screen.print(table)
    screen.print("USD per million tokens. Batches: half. US data residency: a tenth more. Web search: $0.01.")
    for info in models:
        if info.note:
            screen.print(printable(f"{info.id}:"))
            screen.print(Padding(printable(info.note), (0, 0, 0, 2)))
    if layout.left_out:
        note(layout.remark("make the terminal wider, or take --json"))


def _print_findings(findings: list[dict[str, Any]]) -> None:
    from rich.text import Text

    if not findings:
        click.echo("every model in use has a price, and nothing is to be said about it")
    for finding in findings:
        said = [finding["text"], finding["way_out"]]
        text = f"{finding['model']}: " if finding["model"] else ""
        text += "; ".join(part for part in said if part)
        level = Text(f"{finding['level']}: ", style=_STYLE[finding["level"]])
        console().print(level + Text(printable(text)), soft_wrap=True)
