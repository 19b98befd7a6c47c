"""`claudeflow lint`: what does not belong into the stable part of a prompt."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from claudeflow.cli.exits import Exit
from claudeflow.cli.output import print_json, printable
from claudeflow.cli.places import places_options
from claudeflow.cli.problems import Failure
from claudeflow.cli.prompt_folder import prompts_folder

if TYPE_CHECKING:
    from claudeflow.prompts.lint import Finding

LARGEST_BYTES = 32 * 1024 * 1024


@click.command(
    "lint",
    short_help="Find what spoils the cache of a prompt.",
    epilog="\b\nExamples:\n  claudeflow lint prompts/\n  claudeflow lint prompts/ticket-triage request.json",
)
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path, exists=True), metavar="[PATH]...")
@click.option("--json", "form", flag_value="json", help="Print a list of findings.")
@click.option("--github", "form", flag_value="github", help="Print annotations for GitHub Actions.")
@places_options("config")
@click.pass_context
def command(context: click.Context, paths: tuple[Path, ...], form: str | None) -> None:
    """Find dates, ids, addresses, variables and the like where a prompt must stay the same.

    PATH is a folder of prompts, one prompt, or a file: a saved Messages body, or any text. Without it, the
    folder of the configuration. Exit code 1 when there is a finding.
    """
    looked = paths or (prompts_folder(context),)
    findings = [finding for path in looked for finding in findings_of(path)]
    if form == "json":
        print_json([asdict(finding) for finding in findings])
    elif form == "github":
        click.echo("".join(f"{_annotation(finding)}\n" for finding in findings), nl=False)
    else:
        _print(findings)
    if findings:
        context.exit(Exit.FAILED)


def findings_of(path: Path) -> list[Finding]:
    """What the lint finds at a path. Raises Failure, PromptError."""
    from claudeflow.prompts.lint import is_prompt, lint_prompt, lint_prompts

    if not path.is_dir():
        return _file_findings(path)
    if is_prompt(path):
        return lint_prompt(path)
    if not any(is_prompt(inner) for inner in path.iterdir() if inner.is_dir()):
        raise Failure(Exit.USAGE, f"{path}: neither a prompt (no system.md) nor a folder of prompts")
    return lint_prompts(path)


def _file_findings(path: Path) -> list[Finding]:
    from claudeflow.prompts.lint import is_body, lint_body, lint_json, lint_text, team_settings

    text = _text(path)
    root = path.parent.parent if (path.parent / "prompt.toml").is_file() else path.parent
    settings = team_settings(root)
    if path.name in ("tools.json", "schema.json"):
        return lint_json(text, str(path), settings)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return lint_text(text, str(path), settings)
    body = value.get("request", value) if isinstance(value, dict) else value
    return lint_body(body, str(path), settings) if is_body(body) else lint_text(text, str(path), settings)


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except PermissionError:
        raise
    except OSError as error:
        raise Failure(Exit.USAGE, f"{path}: {error.strerror or 'cannot be read'}") from error
    if len(data) > LARGEST_BYTES:
        raise Failure(Exit.USAGE, f"{path}: is larger than 32 MiB, which no request may be")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise Failure(
            Exit.USAGE, f"{path}: not UTF-8 at byte {error.start}; only text is looked at"
        ) from error


def _print(findings: Sequence[Finding]) -> None:
    """Each finding with its reason and the way out, then how many there are."""
    for finding in findings:
        click.echo(printable(str(finding)))
        click.echo(f"    why: {finding.why}\n    fix: {finding.move}")
    if not findings:
        click.echo("clean: nothing found")
        return
    click.echo(f"\n{findings_in_words(len(findings))}")
    click.echo('stable on purpose? "<!-- lint: ignore[RULE] -->" in the line, or `[lint]` in prompt.toml')


def findings_in_words(number: int) -> str:
    """How many findings there are."""
    return "1 finding" if number == 1 else f"{number:,} findings"


def _annotation(finding: Finding) -> str:
    place = f"file={finding.file},line={finding.line},col={finding.column}"
    text = printable(f"{finding.what} {finding.text!r}: {finding.move}").replace("%", "%25")
    return f"::error {place},title=claudeflow {finding.rule}::{text}"
