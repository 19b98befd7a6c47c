"""`claudeflow lint`: what does not belong into the stable part of a prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from claudeflow.cli.exits import Exit
from claudeflow.cli.lint_files import findings_of, mistakes_at
from claudeflow.cli.output import print_json, printable
from claudeflow.cli.places import places_options
from claudeflow.cli.problems import Failure
from claudeflow.cli.prompt_folder import prompts_folder
from claudeflow.domain.words import plural

if TYPE_CHECKING:
    from claudeflow.prompts.lint import Finding


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

    PATH is a folder of prompts, one prompt, or a file: a saved Messages body, a .jsonl of jobs, or any text;
    or a folder of such files. Without it, the folder of the configuration. Of requests the stable part is
    looked at, not what the messages say. Exit code 1 when there is a finding.
    """
    looked = paths or (prompts_folder(context),)
    findings = [finding for path in looked for finding in findings_of(path)]
    mistakes = [mistake for path in looked for mistake in mistakes_at(path)]
    if form == "json":
        print_json([asdict(finding) for finding in findings])
    elif form == "github":
        click.echo("".join(f"{_annotation(finding)}\n" for finding in findings), nl=False)
    elif findings or not mistakes:
        _print(findings)
    if mistakes:
        raise Failure(Exit.FAILED, mistakes)
    if findings:
        context.exit(Exit.FAILED)


def _print(findings: Sequence[Finding]) -> None:
    """Each finding with its reason and the way out, then how many there are."""
    for finding in findings:
        click.echo(printable(str(finding)))
        click.echo(f"    why: {finding.why}\n    fix: {finding.move}")
    if not findings:
        click.echo("clean: nothing found")
        return
    click.echo(f"\n{plural(len(findings), 'finding')}")
    click.echo('stable on purpose? "<!-- lint: ignore[RULE] -->" in the line, or `[lint]` in prompt.toml')


def _annotation(finding: Finding) -> str:
    place = f"file={finding.file},line={finding.line},col={finding.column}"
    text = printable(f"{finding.what} {finding.text!r}: {finding.move}").replace("%", "%25")
    return f"::error {place},title=claudeflow {finding.rule}::{text}"
