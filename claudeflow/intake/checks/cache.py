"""Checks of cache markers: at most four, well formed, long-lived before short-lived."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from claudeflow.intake.mistakes import Mistakes, kind_of, show

_MOST_MARKERS = 4


def check_cache_markers(request: dict[str, Any], mistakes: Mistakes) -> None:
    """Check every `cache_control` of a request, in the order in which the API reads them."""
    short_lived_seen = False
    for index, (field, marker) in enumerate(_markers(request)):
        if index == _MOST_MARKERS:
            mistakes.add(
                field,
                "is the fifth cache marker; the API takes 4 at most: drop some, or leave all to the daemon",
            )
        ttl = _ttl(field, marker, mistakes)
        if ttl == "1h" and short_lived_seen:
            mistakes.add(
                field, 'a marker with ttl "1h" comes after one with "5m"; the long-lived ones must come first'
            )
        short_lived_seen = short_lived_seen or ttl == "5m"


def _ttl(field: str, marker: Any, mistakes: Mistakes) -> str | None:
    if not isinstance(marker, dict) or marker.get("type") != "ephemeral":
        found = kind_of(marker) if not isinstance(marker, dict) else f"type {show(marker.get('type'))}"
        mistakes.add(field, f'must be {{"type": "ephemeral"}}, found {found}')
        return None
    ttl = marker.get("ttl") or "5m"
    if ttl not in ("5m", "1h"):
        mistakes.add(f"{field}.ttl", f'found {show(ttl)}; allowed are "5m" and "1h"')
        return None
    return str(ttl)


def _markers(request: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in ("tools", "system"):
        yield from _in_blocks(f"request.{name}", request.get(name))
    messages = request.get("messages")
    for index, message in enumerate(messages if isinstance(messages, list) else ()):
        if isinstance(message, dict):
            yield from _in_blocks(f"request.messages[{index}].content", message.get("content"))
    if request.get("cache_control") is not None:
        yield "request.cache_control", request["cache_control"]


def _in_blocks(field: str, blocks: Any) -> Iterator[tuple[str, Any]]:
    for index, block in enumerate(blocks if isinstance(blocks, list) else ()):
        if not isinstance(block, dict):
            continue
        where = f"{field}[{index}]"
        if block.get("type") == "tool_result":
            for inner, part in enumerate(block["content"] if isinstance(block.get("content"), list) else ()):
                if isinstance(part, dict) and part.get("cache_control") is not None:
                    yield f"{where}.content[{inner}].cache_control", part["cache_control"]
        if block.get("cache_control") is not None:
            yield f"{where}.cache_control", block["cache_control"]
