"""A request as the prompt cache sees it: a row of blocks, some of which end a cacheable prefix."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from typing import Any

import orjson

from claudeflow.twin.errors import ApiError
from claudeflow.twin.models import Model
from claudeflow.twin.tokens import MESSAGE_TOKENS, block_chars, text_tokens

MAX_BREAKPOINTS = 4
TTL_SECONDS: dict[str, int] = {"5m": 300, "1h": 3_600}
_UNCACHEABLE = ("thinking", "redacted_thinking")


@dataclass(frozen=True, slots=True)
class Breakpoint:
    """The end of a cacheable prefix: its position among the blocks, and how long it is to be kept."""

    position: int
    ttl: str


@dataclass(frozen=True, slots=True)
class Prefix:
    """The blocks of one request: `tokens[i]` and `hashes[i]` describe everything up to block i.

    The text that tells the model the schema of its answer stands before all of them. `hashes` is empty
    when the request has no breakpoint. `total_tokens` includes what follows the last one.
    """

    tokens: tuple[int, ...]
    hashes: tuple[bytes, ...]
    breakpoints: tuple[Breakpoint, ...]
    total_tokens: int


@dataclass(frozen=True, slots=True)
class _Block:
    content: Any
    section: str
    turn: int


def read_prefix(body: dict[str, Any], model: Model, workspace: str) -> Prefix:
    """Weigh a request and find its breakpoints. Raises ApiError (400) for breakpoints the API rejects."""
    blocks = list(_blocks(body))
    overhead = MESSAGE_TOKENS * len(body["messages"])
    chars = 0.0
    running: list[float] = []
    for block in blocks:
        chars += block_chars(block.content, model)
        running.append(chars)
    schema_tokens = _schema_tokens(body, model)
    total = text_tokens(chars, model) + overhead + schema_tokens
    breakpoints = _breakpoints(body, blocks)
    if not breakpoints:
        return Prefix((), (), (), total)
    tokens = tuple(schema_tokens + text_tokens(weight, model) for weight in running)
    return Prefix(tokens, _hashes(body, blocks, model, workspace), breakpoints, total)


def _blocks(body: dict[str, Any]) -> Iterator[_Block]:
    for tool in body.get("tools") or ():
        yield _Block(tool, "tools", 0)
    for content in as_list(body.get("system") or ()):
        yield _Block(content, "system", 0)
    for turn, message in enumerate(body["messages"]):
        for content in as_list(message["content"]):
            yield _Block(content, message["role"], turn)


def as_list(content: Any) -> Any:
    """Blocks, be they given as blocks or as one text."""
    return (content,) if isinstance(content, str) else content


def _schema_tokens(body: dict[str, Any], model: Model) -> int:
    output = (body.get("output_config") or {}).get("format")
    return text_tokens(len(orjson.dumps(output)), model) if output else 0


def _breakpoints(body: dict[str, Any], blocks: list[_Block]) -> tuple[Breakpoint, ...]:
    found: list[Breakpoint] = []
    for position, block in enumerate(blocks):
        control = block.content.get("cache_control") if isinstance(block.content, dict) else None
        if control is not None:
            found.append(Breakpoint(position, _ttl(control)))
    automatic = body.get("cache_control")
    if automatic is not None:
        _add_automatic(found, _ttl(automatic), blocks)
    if len(found) > MAX_BREAKPOINTS:
        raise ApiError(400, f"A maximum of 4 blocks with cache_control may be provided. Found {len(found)}.")
    for earlier, later in pairwise(found):
        if earlier.ttl == "5m" and later.ttl == "1h":
            raise ApiError(
                400, "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block"
            )
    return tuple(found)


def _add_automatic(found: list[Breakpoint], ttl: str, blocks: list[_Block]) -> None:
    if len(found) >= MAX_BREAKPOINTS:
        raise ApiError(
            400, "cache_control: no breakpoint is left for automatic caching; 4 explicit ones are set"
        )
    position = next(
        (index for index in range(len(blocks) - 1, -1, -1) if _cacheable(blocks[index].content)), None
    )
    if position is None:
        return
    if found and found[-1].position == position:
        if found[-1].ttl != ttl:
            raise ApiError(400, "cache_control: the last block already has a breakpoint with another ttl")
        return
    found.append(Breakpoint(position, ttl))
    found.sort(key=lambda item: item.position)


def _cacheable(content: Any) -> bool:
    return isinstance(content, str) or content.get("type") not in _UNCACHEABLE


def _ttl(control: Any) -> str:
    if not isinstance(control, dict) or control.get("type") != "ephemeral":
        raise ApiError(400, "cache_control.type: Input should be 'ephemeral'")
    ttl = control.get("ttl", "5m")
    if ttl not in TTL_SECONDS:
        raise ApiError(400, "cache_control.ttl: Input should be '5m' or '1h'")
    return str(ttl)


def _hashes(body: dict[str, Any], blocks: list[_Block], model: Model, workspace: str) -> tuple[bytes, ...]:
    """Chained hashes. What changes a whole section is mixed in where that section begins."""
    output = body.get("output_config") or {}
    chain = blake2b(digest_size=16)
    chain.update(orjson.dumps([model.id, workspace, output.get("format")]))
    section = "tools"
    hashes: list[bytes] = []
    for block in blocks:
        if section == "tools" and block.section != "tools":
            chain.update(orjson.dumps(["system", body.get("speed") or "standard"]))
            section = "system"
        if section == "system" and block.section not in ("tools", "system"):
            chain.update(orjson.dumps(["messages", *_message_marks(body, blocks, model)]))
            section = "messages"
        chain.update(orjson.dumps([block.section, block.turn, without_marker(block.content)]))
        hashes.append(chain.digest())
    return tuple(hashes)


def _message_marks(body: dict[str, Any], blocks: list[_Block], model: Model) -> list[Any]:
    effort = (body.get("output_config") or {}).get("effort") or model.default_effort
    images = any(isinstance(block.content, dict) and block.content.get("type") == "image" for block in blocks)
    return [body.get("tool_choice"), body.get("thinking"), effort, images]


def without_marker(content: Any) -> Any:
    """A block as the cache compares it: with or without a breakpoint it is the same."""
    if isinstance(content, str):
        return {"type": "text", "text": content}
    if "cache_control" in content:
        return {key: value for key, value in content.items() if key != "cache_control"}
    return content
