"""How large an input can be at most: what the books reserve for it before its call leaves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LARGEST_WINDOW_TOKENS = 1_000_000
"""The largest context window of any model: no input counts more."""

IMAGE_TOKENS = 10_000
"""More than any image counts, however few bytes it has."""

TOOL_PROMPT_TOKENS = 2_000
"""More than the instructions that the API adds when a request has tools (some hundred)."""

_OUTSIDE_SOURCES = frozenset({"url", "file"})


def most_input_tokens(body: Mapping[str, Any], input_bytes: int) -> int:
    """The most that the input of a Messages body can count, in tokens.

    A token of text has at least one byte. Documents, and whatever is only referred to, can count up
    to the context window; server tools can fill it as well.
    """
    blocks = list(_blocks(body))
    if any(_is_boundless(block) for block in blocks) or _has_server_tools(body):
        return LARGEST_WINDOW_TOKENS
    images = len([block for block in blocks if block.get("type") == "image"])
    tools = TOOL_PROMPT_TOKENS if body.get("tools") or body.get("output_config") else 0
    return min(LARGEST_WINDOW_TOKENS, input_bytes + images * IMAGE_TOKENS + tools)


def _is_boundless(block: Mapping[str, Any]) -> bool:
    source = block.get("source")
    refers_outside = isinstance(source, Mapping) and source.get("type") in _OUTSIDE_SOURCES
    return block.get("type") == "document" or refers_outside or "file_id" in block


def _has_server_tools(body: Mapping[str, Any]) -> bool:
    """Tools of one's own have a schema; those that the API runs itself have a type of their own."""
    tools = body.get("tools")
    own = tools if isinstance(tools, list) else []
    kinds = {str(tool.get("type") or "custom") for tool in own if isinstance(tool, Mapping)}
    return bool(body.get("mcp_servers") or body.get("container") or kinds - {"custom"})


def _blocks(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Every content block, those within tool results too."""
    found: list[Mapping[str, Any]] = []
    waiting: list[Any] = [message["content"] for message in body["messages"]]
    while waiting:
        content = waiting.pop()
        for block in content if isinstance(content, list) else []:
            if isinstance(block, Mapping):
                found.append(block)
                waiting.append(block.get("content"))
    return found
