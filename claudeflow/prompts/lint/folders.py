"""Prompt folders → findings."""

from __future__ import annotations

import tomllib
from pathlib import Path

from claudeflow.domain.errors import PromptError
from claudeflow.prompts.lint.decisions import team_settings, with_decisions
from claudeflow.prompts.lint.json_text import lint_json
from claudeflow.prompts.lint.rules import Finding
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
            text = path.read_bytes().decode()
        except (OSError, UnicodeDecodeError):
            continue
        found += look(text, str(path), settings)
    return found


def is_prompt(path: Path) -> bool:
    """Whether the path is a prompt's folder."""
    return path.is_dir() and not path.name.startswith(".") and any((path / name).is_file() for name in _LOOKS)


def _own_table(folder: Path) -> dict[str, list[str]]:
    try:
        table = tomllib.loads((folder / "prompt.toml").read_text(encoding="utf-8")).get("lint", {})
    except (OSError, ValueError):
        return {}
    return table if isinstance(table, dict) else {}
