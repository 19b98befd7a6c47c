"""Inputs of a prompt from the command line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from claudeflow.cli.exits import Exit
from claudeflow.cli.problems import Failure

if TYPE_CHECKING:
    from claudeflow.domain.prompt import PromptTemplate


def variables_of(template: PromptTemplate) -> list[str]:
    """The variables that user.md uses, sorted."""
    from claudeflow.prompts.rendering import compile_user

    return sorted(compile_user(template.user).variables)


def rendered(template: PromptTemplate, pairs: Sequence[str], data: bytes | None) -> dict[str, Any]:
    """The body that an input gives: a JSON object, and pairs that go before it. Raises Failure."""
    from claudeflow.domain.errors import PromptError
    from claudeflow.prompts import render

    values = {**(_object(data) if data is not None else {}), **dict(_pair(pair) for pair in pairs)}
    try:
        return render(template, values)
    except PromptError as problem:
        raise Failure(Exit.USAGE, str(problem)) from problem


def _pair(pair: str) -> tuple[str, str]:
    name, equals, text = pair.partition("=")
    if not equals or not name.isidentifier():
        raise Failure(Exit.USAGE, f"{pair[:60]!r} is no input: write VARIABLE=TEXT, or --input FILE")
    return name, text


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as problem:
        raise Failure(Exit.USAGE, f"the input is not JSON: {problem}") from problem
    if not isinstance(value, dict):
        raise Failure(Exit.USAGE, f"the input must be a JSON object, found {type(value).__name__}")
    return value
