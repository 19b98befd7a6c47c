"""The keys of a prompt.toml, and what each may hold."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from claudeflow.domain.prompt import CanaryRules, PackRules, Verify
from claudeflow.prompts.lint.decisions import decision_mistakes

LARGEST_MAX_TOKENS = 10_000_000
"""Far above what any model writes: it keeps slips of the pen out of sums."""
EFFORTS = ("low", "medium", "high", "xhigh", "max")
FEWEST_ITEMS, MOST_ITEMS = 2, 50
LARGEST_PACK_TOKENS = 1_000_000
LONGEST_WAIT_S = 3600


@dataclass(frozen=True, slots=True)
class PromptSettings:
    """A checked prompt.toml. Empty means: the default lane, and the folder's name as `workflow`.

    `fallback` is the cheaper model that may answer when a budget says so.
    `pack` says how its jobs may share calls; None: they never do.
    `lint` holds what the leak lint passes over in this prompt: `ignore` (rules) and `allow` (texts).
    """

    model: str
    max_tokens: int
    effort: str | None = None
    lane: str = ""
    workflow: str = ""
    fallback: str | None = None
    pack: PackRules | None = None
    lint: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Rule:
    accepts: Callable[[Any], bool]
    allowed: str
    required: bool = False


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_table(value: Any) -> bool:
    return isinstance(value, dict)


def _whole(low: int, high: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _number(low: float, high: float) -> Callable[[Any], bool]:
    return lambda value: (
        isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
    )


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_name, value))


def _is_comparison(value: Any) -> bool:
    if isinstance(value, dict):
        return value.keys() == {"command"} and _is_texts(value["command"])
    return value == "equal" or (
        _is_texts(value) and all(step for field in value for step in field.split("."))
    )


_RULES: Mapping[str, _Rule] = {
    "model": _Rule(_is_name, 'a model id such as "claude-sonnet-5-5"', required=True),
    "max_tokens": _Rule(
        _whole(1, LARGEST_MAX_TOKENS), f"a whole number from 1 to {LARGEST_MAX_TOKENS:,}", required=True
    ),
    "effort": _Rule(lambda value: value in EFFORTS, f"one of {', '.join(EFFORTS)}"),
    "lane": _Rule(_is_name, "a lane's name; without the key, the default lane"),
    "fallback": _Rule(_is_name, "a cheaper model's id, which answers when a budget says so"),
    "workflow": _Rule(_is_name, "a workflow's name; without the key, the folder's name"),
    "pack": _Rule(_is_table, "a table with `max_items`, which lets jobs share calls"),
    "lint": _Rule(_is_table, "a table with `ignore` and `allow`"),
}

_PACK_RULES: Mapping[str, _Rule] = {
    "max_items": _Rule(
        _whole(FEWEST_ITEMS, MOST_ITEMS), f"a whole number from {FEWEST_ITEMS} to {MOST_ITEMS}", required=True
    ),
    "max_input_tokens": _Rule(
        _whole(1, LARGEST_PACK_TOKENS), f"a whole number from 1 to {LARGEST_PACK_TOKENS:,}"
    ),
    "max_wait_s": _Rule(_number(0, LONGEST_WAIT_S), f"seconds from 0 to {LONGEST_WAIT_S:,}"),
    "verify": _Rule(lambda value: value in list(Verify), f"one of {', '.join(Verify)}"),
    "canary": _Rule(_is_table, "a table with `share`, `compare` and `max_disagreement`"),
}

_CANARY_RULES: Mapping[str, _Rule] = {
    "share": _Rule(_number(0, 1), "a number from 0 to 1"),
    "compare": _Rule(
        _is_comparison,
        '"equal", a list of fields such as ["label", "route.team"], or {command = ["/usr/local/bin/agree"]}',
    ),
    "max_disagreement": _Rule(_number(0, 1), "a number from 0 to 1"),
}


def settings_mistakes(table: Mapping[str, Any]) -> list[str]:
    """What is wrong with a parsed prompt.toml; each names the key, what was found, what is allowed."""
    mistakes = _mistakes(table, _RULES)
    pack, lint = table.get("pack"), table.get("lint")
    if isinstance(pack, dict):
        mistakes += _mistakes(pack, _PACK_RULES, "pack.")
        canary = pack.get("canary")
        mistakes += _mistakes(canary, _CANARY_RULES, "pack.canary.") if isinstance(canary, dict) else []
    decisions = decision_mistakes(lint) if isinstance(lint, dict) else []
    return mistakes + [f"lint.{mistake}" for mistake in decisions]


def read_settings(table: Mapping[str, Any]) -> PromptSettings:
    """The settings of a prompt.toml without mistakes."""
    pack = table.get("pack")
    return PromptSettings(**{**table, "pack": None if pack is None else _pack_rules(pack)})


def _pack_rules(table: Mapping[str, Any]) -> PackRules:
    canary = {**table.get("canary", {})}
    compare = canary.pop("compare", "equal")
    if isinstance(compare, dict):
        canary["command"] = tuple(compare["command"])
    elif isinstance(compare, list):
        canary["fields"] = tuple(compare)
    rules = {**table, "canary": CanaryRules(**canary)}
    return PackRules(**{**rules, "verify": Verify(table.get("verify", Verify.SEAL))})


def _mistakes(table: Mapping[str, Any], rules: Mapping[str, _Rule], place: str = "") -> list[str]:
    unknown = [
        f"{place}{key}: unknown key, found {reprlib.repr(value)}; allowed: {', '.join(rules)}"
        for key, value in table.items()
        if key not in rules
    ]
    missing = [
        f"{place}{key}: missing; allowed: {rule.allowed}"
        for key, rule in rules.items()
        if rule.required and key not in table
    ]
    wrong = [
        f"{place}{key}: found {reprlib.repr(table[key])}; allowed: {rule.allowed}"
        for key, rule in rules.items()
        if key in table and not rule.accepts(table[key])
    ]
    return unknown + missing + wrong
