"""What the API refuses per model, as far as it can be known before a request is sent.

Models are recognised by their id (`claude-<line>-<major>[-<minor>][-<date>]`); of an id that does
not read like this nothing is assumed, and the API decides.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_ID = re.compile(r"claude-(?P<line>[a-z]+)-(?P<major>\d{1,2})(?:-(?P<minor>\d{1,2}))?(?:-\d{8})?", re.ASCII)
_SMALL_MAX_TOKENS = 64_000
_LARGE_MAX_TOKENS = 128_000
_ALWAYS_THINKS = frozenset({("opus", (5, 5)), ("fable", (5, 1)), ("fable", (5, 2))})
_NO_FORCED_TOOL = _ALWAYS_THINKS | {("sonnet", (5, 5))}
_FAST = frozenset({("opus", (5, 5)), ("fable", (5, 2)), ("mythos", (5, 2))})


@dataclass(frozen=True, slots=True)
class ModelTraits:
    """What one model takes. `refused_thinking` are the `thinking.type`s that it answers with 400."""

    max_tokens: int = _LARGE_MAX_TOKENS
    takes_prefill: bool = True
    takes_forced_tool: bool = True
    takes_thinking_budget: bool = True
    takes_fast: bool = True
    takes_geo: bool = True
    refused_thinking: frozenset[str] = frozenset()


UNKNOWN_MODEL = ModelTraits()


@lru_cache(maxsize=256)
def traits_of(model: str) -> ModelTraits:
    """The traits of a model by its id."""
    match = _ID.fullmatch(model)
    if not match:
        return UNKNOWN_MODEL
    version = (int(match["major"]), int(match["minor"] or 0))
    release = (match["line"], version)
    return ModelTraits(
        max_tokens=_LARGE_MAX_TOKENS if version >= (4, 6) else _SMALL_MAX_TOKENS,
        takes_prefill=version < (4, 6),
        takes_forced_tool=release not in _NO_FORCED_TOOL,
        takes_thinking_budget=release != ("haiku", (5, 5)) and release not in _ALWAYS_THINKS,
        takes_fast=release in _FAST,
        takes_geo=version >= (4, 6),
        refused_thinking=_refused_thinking(release),
    )


def _refused_thinking(release: tuple[str, tuple[int, int]]) -> frozenset[str]:
    if release in _ALWAYS_THINKS:
        return frozenset({"disabled", "enabled"})
    if release == ("sonnet", (5, 5)):
        return frozenset({"disabled"})
    return frozenset()
