"""The JSON files of a prompt: what is read from them, and what is wrong with a list of tools."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import orjson

from claudeflow.domain.errors import PromptError

DEEPEST = 100
"""Levels of nesting; real schemas have a dozen, and a request must still be written with all of them."""
_NO_LIST = "must be an array of objects, each with a name"


def read_json(text: str) -> Any:
    """The value, never null. Raises PromptError for what is no JSON or is nested too deeply."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise PromptError(
            f"not valid JSON: line {error.lineno}, column {error.colno}: {error.msg}"
        ) from error
    if value is None:
        raise PromptError("must not be null; without the file there is none")
    if not _is_flat(value):
        raise PromptError(f"is nested too deeply; at most {DEEPEST} levels are allowed")
    return value


def tool_mistakes(tools: Any) -> list[str]:
    """What is wrong with a Messages `tools` array; the same is asked of the tools of a job."""
    if not isinstance(tools, list):
        return [_NO_LIST]
    if not all(isinstance(tool, dict) and "name" in tool for tool in tools):
        return [_NO_LIST]
    wrong = [f"[{number}].{words}" for number, tool in enumerate(tools) for words in _wrong_fields(tool)]
    names = Counter(tool["name"] for tool in tools if isinstance(tool["name"], str))
    twice = sorted(name for name, number in names.items() if number > 1)
    return wrong + [f"the name {name[:64]} is used twice; tool names must differ" for name in twice]


def _wrong_fields(tool: dict[str, Any]) -> Iterator[str]:
    if not isinstance(tool["name"], str) or not tool["name"]:
        yield "name: must be a text that is not empty"
    if not isinstance(tool.get("description", ""), str):
        yield "description: must be a text"
    if not isinstance(tool.get("input_schema", {}), dict):
        yield "input_schema: must be an object"


def _is_flat(value: Any) -> bool:
    """Whether no more than `DEEPEST` arrays and objects stand in one another."""
    level = [value]
    for _ in range(DEEPEST + 1):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return True
    return False


def _inside(value: Any) -> Any:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
