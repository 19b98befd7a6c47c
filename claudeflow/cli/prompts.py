"""`claudeflow prompts`: list, show, render and check prompt templates. Works without a daemon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from claudeflow.cli.exits import Exit
from claudeflow.cli.output import console, note, print_json, printable
from claudeflow.cli.places import places_options
from claudeflow.cli.problems import Failure
from claudeflow.cli.prompt_folder import find_prompt, minimum_of, prices_of, prompts_folder, remember_folder
from claudeflow.cli.prompt_inputs import rendered, variables_of
from claudeflow.domain.words import plural

if TYPE_CHECKING:
    from claudeflow.domain.errors import Mistake
    from claudeflow.domain.prompt import PromptTemplate
    from claudeflow.policy.money.pricing import PriceTable

_SAID_BY_STABLE = frozenset({"stable_tokens", "cache_minimum_tokens", "is_cacheable"})
"""What the line `stable` says in words."""

folder_option = click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    callback=remember_folder,
    expose_value=False,
    help="Folder of the prompts; without it, `[prompts] folder` of the configuration.",
)
as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(
    "prompts",
    short_help="List, show, render and check prompt templates.",
    epilog="\b\nExample:\n  claudeflow prompts check --folder ./prompts",
)
@folder_option
@places_options("config")
def command() -> None:
    """List, show, render and check prompt templates. What is shown is what stands in the folder now."""


@command.command(
    "list", short_help="List all prompts.", epilog="\b\nExample:\n  claudeflow prompts list --json"
)
@folder_option
@as_json_option
@places_options("config")
@click.pass_context
def list_(context: click.Context, as_json: bool) -> None:
    """List all prompts: version, model, lane, and whether the stable part is large enough to be cached."""
    (prompts, mistakes), prices = _survey(context), prices_of(context)
    rows = [facts(template, prices) for template in prompts.values()]
    if as_json:
        print_json({"prompts": rows, "mistakes": [str(mistake) for mistake in mistakes]})
    elif rows:
        _print_table(rows)
    elif not mistakes:
        note(f"no prompts in {prompts_folder(context)}")
    _fail_for(context, mistakes)


@command.command(
    "show",
    short_help="Show one prompt.",
    epilog="\b\nExample:\n  claudeflow prompts show ticket-triage",
)
@click.argument("name")
@folder_option
@as_json_option
@places_options("config")
@click.pass_context
def show(context: click.Context, name: str, as_json: bool) -> None:
    """Show one prompt: its settings, its stable part in short, and the variables that an input must have."""
    template = _prompt(context, name)
    known = {**facts(template, prices_of(context)), "variables": variables_of(template)}
    if as_json:
        print_json(known)
        return
    for key, value in known.items():
        if key in _SAID_BY_STABLE:
            continue
        shown = ", ".join(value) or "none" if isinstance(value, list) else value
        click.echo(f"{key:22} {'-' if shown is None else shown}")
    first = next((line for line in template.system.splitlines() if line.strip()), "")
    click.echo(f"{'begins':22} {printable(first[:100])}")


@command.command(
    "render",
    short_help="Print the request that an input gives.",
    epilog="\b\nExamples:\n  claudeflow prompts render ticket-triage channel=chat text='my card is gone'\n"
    "  claudeflow prompts render ticket-triage --input ticket.json --text",
)
@click.argument("name")
@click.argument("pairs", nargs=-1, metavar="[VARIABLE=TEXT]...")
@click.option(
    "--input",
    "file",
    type=click.File("rb"),
    metavar="FILE",
    help="A JSON object with the variables; - is stdin.",
)
@click.option("--text", "as_text", is_flag=True, help="Print only what user.md becomes.")
@folder_option
@places_options("config")
@click.pass_context
def render(context: click.Context, name: str, pairs: tuple[str, ...], file: Any, as_text: bool) -> None:
    """Print the Messages body that an input gives, with cache markers as in a first call.

    The daemon may set others, or none, by what pays: see `claudeflow cache`.
    """
    template = _prompt(context, name)
    body = rendered(template, pairs, file.read() if file is not None else None)
    if as_text:
        click.echo(body["messages"][0]["content"])
        return
    print_json(_marked(body, template, minimum_of(prices_of(context), template.model) or 0))


@command.command(
    "check",
    short_help="Name every mistake, leak and prompt too small to be cached.",
    epilog="\b\nExample:\n  claudeflow prompts check && systemctl reload claudeflow",
)
@folder_option
@places_options("config")
@click.pass_context
def check(context: click.Context) -> None:
    """Name every mistake, every leak, and every prompt that is too small to be cached.

    Exit code 1 for mistakes and leaks; a prompt that is too small is a warning.
    """
    from claudeflow.prompts.lint import lint_prompts

    folder, prices = prompts_folder(context), prices_of(context)
    prompts, mistakes = _survey(context)
    findings = lint_prompts(folder)
    for finding in findings:
        click.echo(f"{printable(str(finding))}; {finding.move}")
    for template in prompts.values():
        known = facts(template, prices)
        if not known["is_cacheable"]:
            click.echo(f"{folder / template.name}: warning: the stable part has {known['stable']}")
        elif known["cache_minimum_tokens"] is None:
            click.echo(f"{folder / template.name}: warning: no price is known for {template.model}")
    if findings:
        note(f"{folder}: {plural(len(findings), 'finding')}; see claudeflow lint {folder}")
    _fail_for(context, mistakes)
    if findings:
        context.exit(Exit.FAILED)
    click.echo(f"{folder}: {plural(len(prompts), 'prompt')} without a mistake")


def facts(template: PromptTemplate, prices: PriceTable) -> dict[str, Any]:
    """What there is to say about a prompt, as plain values."""
    from claudeflow.prompts.size import template_size

    size = template_size(template, minimum_of(prices, template.model))
    return {
        "name": template.name,
        "version": template.version,
        "model": template.model,
        "lane": template.lane or None,
        "workflow": template.workflow,
        "max_tokens": template.max_tokens,
        "effort": template.effort,
        "tools": [str(tool["name"]) for tool in template.tools],
        "has_schema": template.schema is not None,
        "stable_tokens": size.tokens,
        "cache_minimum_tokens": size.minimum_tokens,
        "is_cacheable": size.is_enough,
        "stable": str(size),
    }


def _survey(context: click.Context) -> tuple[Mapping[str, PromptTemplate], Sequence[Mistake]]:
    """The prompts that are right, and the mistakes in others. Raises PromptError."""
    from claudeflow.prompts import survey_prompts

    return survey_prompts(prompts_folder(context))


def _prompt(context: click.Context, name: str) -> PromptTemplate:
    """The prompt with this name, whatever is wrong with others. Raises Failure, PromptError."""
    prompts, mistakes = _survey(context)
    own = [mistake for mistake in mistakes if str(mistake).startswith(f"{name}/")]
    if own:
        _fail_for(context, own)
    return find_prompt(prompts, name)


def _fail_for(context: click.Context, mistakes: Sequence[Mistake]) -> None:
    """Raise Failure naming every mistake, if there is any."""
    if mistakes:
        folder = prompts_folder(context)
        raise Failure(Exit.FAILED, [f"{folder}: {mistake}" for mistake in mistakes])


def _marked(body: Mapping[str, Any], template: PromptTemplate, minimum: int) -> Mapping[str, Any]:
    from claudeflow.policy.caching.breakpoints import with_breakpoints
    from claudeflow.policy.caching.naming import path_of
    from claudeflow.policy.caching.paths import levels_of
    from claudeflow.policy.caching.plan import Mark, Plan

    path = path_of(body, minimum, template.version)
    marks = tuple(Mark(level, "5m", writes=True) for level in levels_of(path)[:1])
    return with_breakpoints(body, path, Plan(marks=marks))


def _print_table(rows: Sequence[Mapping[str, Any]]) -> None:
    from claudeflow.cli.fitting import Column, fitted

    columns = (
        Column("name", lambda row: row["name"], is_words=True),
        Column("version", lambda row: row["version"], 3, is_words=True),
        Column("model", lambda row: row["model"], is_words=True),
        Column("lane", lambda row: row["lane"] or "(default)", 2, is_words=True),
        Column("stable", lambda row: f"~{row['stable_tokens']:,}"),
        Column("minimum", lambda row: _if_known(row, f"{row['cache_minimum_tokens'] or 0:,}"), 1),
        Column("cached", lambda row: _if_known(row, "yes" if row["is_cacheable"] else "too small")),
    )
    screen = console()
    layout = fitted(columns, rows, screen.width)
    screen.print(layout.table(rows))
    if layout.left_out:
        note(layout.remark("make the terminal wider, or take --json"))


def _if_known(row: Mapping[str, Any], text: str) -> str:
    return "?" if row["cache_minimum_tokens"] is None else text
