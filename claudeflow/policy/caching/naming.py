"""Naming: the path of a request, made of chained hashes of everything that the cache looks at.

The hashes are true to the byte: the same tools in another key order are another prefix to the
API, so they are another one here. What else loses a cached prefix (Prompt caching, "what
invalidates the cache") is mixed in where it takes effect.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

from claudeflow.policy.caching.paths import BASE
from claudeflow.policy.caching.places import Block, Place, blocks_of, places_of

_DIGITS = 16
_MOST_LEVELS = 8
INJECTED_TOKENS = 2_000
"""More than the text that the API itself adds for tools and schemas (some hundred tokens)."""
_MEDIA = ("image", "document", "container_upload")


def path_of(body: Mapping[str, Any], least_tokens: int, version: str | None = None) -> str | None:
    """How a checked request's cacheable parts are named; None when there are none.

    `least_tokens` is the model's minimum: a part that is smaller whatever its tokens count is left out
    (a token of text has at least one byte). `version` names the tools and system of a prompt.
    Raises orjson.JSONEncodeError for a body that is no JSON.
    """
    places = {place.block.where: place for place in places_of(body)}
    names: list[str] = []
    chain = _Chain(body)
    for block in chain.blocks:
        chain.add(block)
        place = places.get(block.where)
        if place is not None and chain.most_tokens >= least_tokens:
            names.append(_name(place, chain.digest(), version))
    return "/".join(names[-_MOST_LEVELS:]) or None


def _name(place: Place, digest: str, version: str | None) -> str:
    if place.kind == BASE:
        return version or digest
    return f"{place.kind}:{digest}"


class _Chain:
    """A hash over a request that grows block by block, and the most tokens of what it covers."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        output = body.get("output_config")
        self._output: Mapping[str, Any] = output if isinstance(output, Mapping) else {}
        self._body = body
        self._hash = hashlib.sha256()
        self._section = "tools"
        self._mix([body.get("model"), self._output.get("format")])
        self.blocks = blocks_of(body)
        injects = body.get("tools") or self._output.get("format")
        self.most_tokens: float = INJECTED_TOKENS if injects else 0

    def add(self, block: Block) -> None:
        """One more block."""
        if self._section == "tools" and block.section != "tools":
            self._mix(["system", self._body.get("speed") or "standard"])
            self._section = "system"
        if self._section == "system" and block.section == "messages":
            self._mix(["messages", *self._marks_of_messages()])
            self._section = "messages"
        content = _without_marker(block.content)
        written = orjson.dumps([self._role(block), block.message, content])
        self._hash.update(written)
        self.most_tokens += float("inf") if _counts_more_than_its_bytes(content) else len(written)

    def digest(self) -> str:
        """The hash of everything so far."""
        return self._hash.copy().hexdigest()[:_DIGITS]

    def _mix(self, what: list[Any]) -> None:
        self._hash.update(orjson.dumps(what))

    def _role(self, block: Block) -> str:
        return str(self._body["messages"][block.message].get("role")) if block.message >= 0 else block.section

    def _marks_of_messages(self) -> list[Any]:
        images = any(_type(block.content) == "image" for block in self.blocks)
        return [self._body.get("tool_choice"), self._body.get("thinking"), self._output.get("effort"), images]


def _without_marker(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {key: _without_marker(value) for key, value in content.items() if key != "cache_control"}
    if isinstance(content, list):
        return [_without_marker(part) for part in content]
    return content


def _counts_more_than_its_bytes(content: Any) -> bool:
    if not isinstance(content, Mapping):
        return False
    inner = content.get("content")
    parts = inner if isinstance(inner, list) else []
    return _type(content) in _MEDIA or "file_id" in content or any(map(_counts_more_than_its_bytes, parts))


def _type(content: Any) -> Any:
    return content.get("type") if isinstance(content, Mapping) else None
