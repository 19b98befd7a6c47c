"""Places: where in a Messages body a prefix may end that other requests share.

Told from its shape alone, so that a job's path can be made when it comes in and its markers can be
set when it goes out: the end of tools and system, blocks before the question, the turns of a conversation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from claudeflow.policy.caching.paths import BASE

_UNMARKABLE = ("thinking", "redacted_thinking")


@dataclass(frozen=True, slots=True)
class Block:
    """One position of a request, as the cache counts them; `message` is -1 before the conversation."""

    section: str
    message: int
    index: int
    content: Any

    @property
    def where(self) -> tuple[str, int, int]:
        """What tells it from the other positions."""
        return self.section, self.message, self.index


@dataclass(frozen=True, slots=True)
class Place:
    """The end of a prefix; `kind` as in paths."""

    kind: str
    block: Block


def blocks_of(body: Mapping[str, Any]) -> list[Block]:
    """All positions in the order in which the API reads them. Texts count as one block."""
    found = [Block("tools", -1, index, tool) for index, tool in enumerate(body.get("tools") or ())]
    found += [Block("system", -1, index, part) for index, part in enumerate(as_blocks(body.get("system")))]
    for number, message in enumerate(body.get("messages") or ()):
        if isinstance(message, Mapping):
            parts = as_blocks(message.get("content"))
            found += [Block("messages", number, index, part) for index, part in enumerate(parts)]
    return found


def as_blocks(content: Any) -> list[Any]:
    """Content as a list of blocks, whichever way it was given."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return list(content) if isinstance(content, list | tuple) else []


def places_of(body: Mapping[str, Any]) -> list[Place]:
    """The ends of prefixes, the outermost first: the caller's markers, else those that its shape suggests."""
    blocks = blocks_of(body)
    marked = list(_marked(body, blocks))
    return marked or [place for place in _suggested(body, blocks) if _takes_marker(place.block.content)]


def asks_for_1h(body: Mapping[str, Any]) -> bool:
    """Whether any marker asks for the long TTL: unsplit cache writes are priced by it."""
    return any(isinstance(marker, Mapping) and marker.get("ttl") == "1h" for marker in markers_of(body))


def markers_of(body: Mapping[str, Any]) -> Iterator[Any]:
    """Every `cache_control` of a body, its own and those of its blocks."""
    if body.get("cache_control") is not None:
        yield body["cache_control"]
    for block in blocks_of(body):
        marker = _marker(block.content)
        if marker is not None:
            yield marker


def _marked(body: Mapping[str, Any], blocks: list[Block]) -> Iterator[Place]:
    automatic = body.get("cache_control")
    last = next((block for block in reversed(blocks) if _kind(block) not in _UNMARKABLE), None)
    for block in blocks:
        marker = _marker(block.content)
        if marker is None and last is not None and block.where == last.where:
            marker = automatic
        if marker is not None:
            yield Place("1h" if isinstance(marker, Mapping) and marker.get("ttl") == "1h" else "5m", block)


def _suggested(body: Mapping[str, Any], blocks: list[Block]) -> Iterator[Place]:
    base = [block for block in blocks if block.message < 0]
    if base:
        yield Place(BASE, base[-1])
    users = [
        number
        for number, message in enumerate(body.get("messages") or ())
        if isinstance(message, Mapping) and message.get("role") == "user"
    ]
    by_message = {number: [block for block in blocks if block.message == number] for number in users}
    opening = by_message.get(0, [])
    if len(opening) > 1:
        yield Place("doc", opening[0])
    if len(opening) > 2:
        yield Place("docs", opening[-2])
    if len(users) > 1:
        for kind, number in (("turn", users[-2]), ("last", users[-1])):
            yield from (Place(kind, block) for block in by_message[number][-1:])


def _takes_marker(content: Any) -> bool:
    """Whether the API lets this block carry a marker: no thinking, no empty text, no deferred tool."""
    if not isinstance(content, Mapping) or content.get("type") in _UNMARKABLE or content.get("defer_loading"):
        return False
    return content.get("type") != "text" or bool(content.get("text"))


def _marker(content: Any) -> Any:
    """The marker of a block, or of a part of a tool's result within it."""
    if not isinstance(content, Mapping):
        return None
    inner = content.get("content") if content.get("type") == "tool_result" else None
    parts = [part for part in inner if isinstance(part, Mapping)] if isinstance(inner, list) else []
    found = (part["cache_control"] for part in (content, *parts) if part.get("cache_control") is not None)
    return next(found, None)


def _kind(block: Block) -> Any:
    return block.content.get("type") if isinstance(block.content, Mapping) else None
