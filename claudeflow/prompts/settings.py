"""The keys of a prompt.toml, and what each may hold."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from claudeflow.prompts.lint.decisions import decision_mistakes

LARGEST_MAX_TOKENS = 10_000_000
"""Far above what any model writes: it keeps slips of the pen out of sums."""
EFFORTS = ("low", "medium", "high", "xhigh", "max")


@dataclass(frozen=True, slots=True)
class PromptSettings:
    """A checked prompt.toml. Empty means: the default lane, and the folder's name as `workflow`.

    `fallback` is the cheaper model that may answer when a budget says so.
    `lint` holds what the leak lint passes over in this prompt: `ignore` (rules) and `allow` (texts).
    """

    model: str
    max_tokens: int
    effort: str | None = None
    lane: str = ""
    workflow: str = ""
    fallback: str | None = None
    lint: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Rule:
    accepts: Callable[[Any], bool]
    allowed: str
    required: bool = False


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_positive_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LARGEST_MAX_TOKENS


_RULES: Mapping[str, _Rule] = {
    "model": _Rule(_is_name, 'a model id such as "claude-sonnet-5-5"', required=True),
    "max_tokens": _Rule(_is_positive_int, f"a whole number from 1 to {LARGEST_MAX_TOKENS:,}", required=True),
    "effort": _Rule(lambda value: value in EFFORTS, f"one of {', '.join(EFFORTS)}"),
    "lane": _Rule(_is_name, "a lane's name; without the key, the default lane"),
    "fallback": _Rule(_is_name, "a cheaper model's id, which answers when a budget says so"),
    "workflow": _Rule(_is_name, "a workflow's name; without the key, the folder's name"),
    "lint": _Rule(lambda value: isinstance(value, dict), "a table with `ignore` and `allow`"),
}


def settings_mistakes(table: Mapping[str, Any]) -> list[str]:
    """What is wrong with a parsed prompt.toml; each names the key, what was found, what is allowed."""
    unknown = [
        f"{key}: unknown key, found {reprlib.repr(value)}; allowed: {', '.join(_RULES)}"
        for key, value in table.items()
        if key not in _RULES
    ]
    missing = [
        f"{key}: missing; allowed: {rule.allowed}"
        for key, rule in _RULES.items()
        if rule.required and key not in table
    ]
    wrong = [
        f"{key}: found {reprlib.repr(table[key])}; allowed: {rule.allowed}"
        for key, rule in _RULES.items()
        if key in table and not rule.accepts(table[key])
    ]
    lint = table.get("lint")
    decisions = decision_mistakes(lint) if isinstance(lint, dict) else []
    return unknown + missing + wrong + [f"lint.{mistake}" for mistake in decisions]
