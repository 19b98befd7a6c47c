"""What a team has decided: `lint.toml` beside the prompt folders, and `[lint]` in a prompt.toml."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from claudeflow.domain.errors import PromptError
from claudeflow.prompts.files import read_text
from claudeflow.prompts.lint.patterns import Patterns
from claudeflow.prompts.lint.rules import RULES
from claudeflow.prompts.lint.text import LintSettings

LINT_FILE = "lint.toml"
LISTS = ("ignore", "allow")
_KEYS = (*LISTS, "patterns")


def team_settings(root: Path) -> LintSettings:
    """What `lint.toml` in the prompts folder says; the defaults without it. Raises PromptError."""
    path = root / LINT_FILE
    try:
        table = tomllib.loads(read_text(path))
    except FileNotFoundError:
        return LintSettings()
    except ValueError as error:
        raise PromptError(f"{path}: not valid TOML: {error}") from error
    except RecursionError as error:
        raise PromptError(f"{path}: is nested too deeply; write it flat") from error
    except PromptError as error:
        raise PromptError(f"{path}: {error}") from error
    patterns = table.get("patterns", {})
    own = patterns if isinstance(patterns, dict) else {}
    mistakes = decision_mistakes(table, (*RULES, *own), _KEYS)
    try:
        compiled = Patterns(own)
    except ValueError as problem:
        mistakes += str(problem).splitlines()
    if own is not patterns:
        mistakes.append('patterns: must be a table of name = "regular expression"')
    if mistakes:
        raise PromptError("\n".join(f"{path}: {mistake}" for mistake in mistakes))
    return LintSettings(frozenset(table.get("ignore", [])), frozenset(table.get("allow", [])), compiled)


def with_decisions(settings: LintSettings, table: Mapping[str, Any]) -> LintSettings:
    """The team's settings with what a prompt's own `[lint]` adds."""
    return replace(
        settings,
        ignore=settings.ignore.union(table.get("ignore", ())),
        allow=settings.allow.union(table.get("allow", ())),
    )


def decision_mistakes(
    table: Mapping[str, Any], rules: tuple[str, ...] = (), keys: tuple[str, ...] = LISTS
) -> list[str]:
    """What is wrong with `ignore` and `allow`. Names of rules are checked when `rules` are given."""
    mistakes = [
        f"{key}: unknown key{_meant(key, keys)}; allowed: {', '.join(keys)}"
        for key in table
        if key not in keys
    ]
    for key in LISTS:
        value = table.get(key, [])
        if not (isinstance(value, list) and all(isinstance(item, str) and item for item in value)):
            mistakes.append(f"{key}: must be a list of texts")
        elif key == "ignore" and rules:
            unknown = [name for name in value if name not in rules]
            mistakes += [f"ignore: no rule is named {name!r}{_meant(name, rules)}" for name in unknown]
    return mistakes


def _meant(name: str, names: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {close[0]}?" if close else ""
