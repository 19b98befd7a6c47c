"""The JSON of tools and answer schemas → findings."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from claudeflow.prompts.lint.context import Context
from claudeflow.prompts.lint.key_order import disorder
from claudeflow.prompts.lint.rules import Finding, finding
from claudeflow.prompts.lint.text import LintSettings, Positions, line_hits, order_findings

_STRING = re.compile(r'"(?P<text>(?:[^"\\\n]|\\.)*)"(?P<colon>\s*:)?')
_DATA_KEYS = frozenset(
    {"enum", "const", "examples", "example", "pattern", "$schema", "$id", "$ref", "type", "name"}
)
"""Their values are data or names, not sentences."""


def lint_json(text: str, file: str, settings: LintSettings | None = None) -> list[Finding]:
    """The leaks in the JSON of tools or of a schema. Text that is no JSON has none: loading says so."""
    settings = settings or LintSettings()
    try:
        orders = disorder(text)
    except ValueError:
        return []
    except RecursionError:
        orders = []
    positions = Positions(text)
    found = [
        *_strings(text, positions, file, settings),
        *order_findings(positions, file, orders, settings),
    ]
    return sorted(found, key=lambda one: (one.line, one.column))


def dumped(value: Mapping[str, Any] | Sequence[Any]) -> str:
    """A part of a parsed body as text with one key per line, in its own order."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def _strings(text: str, positions: Positions, file: str, settings: LintSettings) -> Iterator[Finding]:
    key = ""
    for match in _STRING.finditer(text):
        if match["colon"]:
            key = match["text"]
            continue
        context = Context(is_reference=key in _DATA_KEYS)
        line, column = positions.of(match.start("text"))
        for hit in line_hits(match["text"], context, settings, settings.ignore):
            yield replace(finding(file, line, match["text"], hit), column=column + hit.start)
