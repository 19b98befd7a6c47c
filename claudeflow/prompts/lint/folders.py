"""Prompt folders → findings."""

from __future__ import annotations

import tomllib
from pathlib import Path

from claudeflow.domain.errors import PromptError
from claudeflow.prompts.files import is_passed_over, read_text
from claudeflow.prompts.json_files import read_json
from claudeflow.prompts.lint.decisions import decision_mistakes, team_settings, with_decisions
from claudeflow.prompts.lint.json_text import lint_json
from claudeflow.prompts.lint.rules import Finding, of_prompt
from claudeflow.prompts.lint.text import LintSettings, lint_text

_LOOKS = {"system.md": lint_text, "tools.json": lint_json, "schema.json": lint_json}


def lint_prompts(root: Path) -> list[Finding]:
    """The leaks in the stable parts of all prompts of a folder. Raises PromptError for a bad `lint.toml`.

    What cannot be read or parsed has no findings: loading it names the mistake.
    """
    settings = team_settings(root)
    try:
        folders = sorted(path for path in root.iterdir() if is_prompt(path))
    except OSError as error:
        raise PromptError(f"{root}: the prompts folder cannot be read: {error.strerror}") from error
    return [finding for folder in folders for finding in lint_prompt(folder, settings)]


def lint_prompt(folder: Path, settings: LintSettings | None = None) -> list[Finding]:
    """The leaks in the stable part of one prompt. Without `settings`, those beside its folder hold."""
    settings = team_settings(folder.parent) if settings is None else settings
    settings = with_decisions(settings, _own_table(folder))
    found: list[Finding] = []
    for name, look in _LOOKS.items():
        path = folder / name
        try:
            text = read_text(path)
        except (OSError, PromptError):
            continue
        found += look(text, str(path), settings)
    return [of_prompt(one) for one in found]


def unread_files(folder: Path) -> list[str]:
    """Which files of one prompt's stable part cannot be looked at, each with its path and why."""
    wrong = []
    for name, look in _LOOKS.items():
        try:
            text = read_text(folder / name)
            if look is lint_json:
                read_json(text)
        except FileNotFoundError:
            continue
        except PromptError as problem:
            wrong.append(f"{folder / name}: {problem}")
    return wrong


def is_prompt(path: Path) -> bool:
    """Whether the path is a prompt's folder."""
    return path.is_dir() and not is_passed_over(path.name) and any((path / name).exists() for name in _LOOKS)


def _own_table(folder: Path) -> dict[str, list[str]]:
    try:
        table = tomllib.loads(read_text(folder / "prompt.toml")).get("lint", {})
    except (OSError, PromptError, RecursionError, ValueError):
        return {}
    return table if isinstance(table, dict) and not decision_mistakes(table) else {}
