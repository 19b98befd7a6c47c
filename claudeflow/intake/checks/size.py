"""What a request can be billed for at most: what the books reserve for it before its call leaves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from claudeflow.domain.usage import Terms

LARGEST_WINDOW_TOKENS = 1_000_000
"""The largest context window of any model: no input counts more."""

IMAGE_TOKENS = 10_000
"""More than any image counts, however few bytes it has."""

TOOL_PROMPT_TOKENS = 2_000
"""More than the instructions that the API adds when a request has tools (some hundred)."""

SEARCHES_WITHOUT_MAX_USES = 100
"""Ten rounds of sampling, after which the API pauses the turn, with ten searches each."""

MOST_USES = 10_000
"""More uses of a server tool than ten rounds of sampling come to: no `max_uses` counts more."""

_ADVISOR = "advisor_"
_OUTSIDE_SOURCES = ("url", "file")
_RUN_BY_THE_CALLER = ("bash_", "text_editor_", "computer_", "memory_")
_TERM_OF_TTL = {"5m": Terms.MARKS_5M, "1h": Terms.MARKS_1H}


@dataclass(frozen=True, slots=True)
class Most:
    """The most that one call for a request can count, in one round of sampling, and at which terms."""

    input_tokens: int
    web_searches: int
    terms: Terms


def most_of(body: Mapping[str, Any], input_bytes: int) -> Most:
    """What a Messages body can be billed for; `input_bytes` is the size of its prompt as JSON."""
    return Most(most_input_tokens(body, input_bytes), _most_web_searches(body), _terms_of(body))


def most_input_tokens(body: Mapping[str, Any], input_bytes: int) -> int:
    """The most that the input of a Messages body can count, in tokens.

    A token of text has at least one byte, in a document of plain text as well (without citations, which
    number its sentences); the bytes of an image count nothing, the image does. Other documents, and
    whatever is only referred to, can count up to the context window; server tools can fill it as well.
    """
    blocks = list(_blocks(body))
    if any(_is_boundless(block) for block in blocks) or _samples_again(body):
        return LARGEST_WINDOW_TOKENS
    images = [block for block in blocks if block.get("type") == "image"]
    text_bytes = input_bytes - sum(_image_bytes(image) for image in images)
    tools = TOOL_PROMPT_TOKENS if body.get("tools") or body.get("output_config") else 0
    tools += TOOL_PROMPT_TOKENS * len([kind for kind in _tool_kinds(body) if kind != "custom"])
    return min(LARGEST_WINDOW_TOKENS, text_bytes + len(images) * IMAGE_TOKENS + tools)


def _most_web_searches(body: Mapping[str, Any]) -> int:
    if body.get("mcp_servers") or body.get("container"):
        return SEARCHES_WITHOUT_MAX_USES
    return sum(_searches_of(tool) for tool in _tools(body))


def _searches_of(tool: Mapping[str, Any]) -> int:
    kind = str(tool.get("type") or "custom")
    if not _is_server_tool(kind) or kind.startswith("web_fetch_"):
        return 0
    most = tool.get("max_uses")
    return min(most, MOST_USES) if type(most) is int and most >= 0 else SEARCHES_WITHOUT_MAX_USES


def _terms_of(body: Mapping[str, Any]) -> Terms:
    terms = Terms(0)
    if body.get("speed") == "fast":
        terms |= Terms.FAST
    if body.get("inference_geo") == "global":
        terms |= Terms.ANYWHERE
    if _samples_again(body):
        terms |= Terms.SERVER_TOOLS
    if any(kind.startswith(_ADVISOR) for kind in _tool_kinds(body)):
        terms |= Terms.OTHER_MODELS
    for marker in _markers(body):
        terms |= _TERM_OF_TTL.get(str(marker.get("ttl") or "5m"), Terms.MARKS_1H)
    return terms


def _is_boundless(block: Mapping[str, Any]) -> bool:
    source = block.get("source")
    kind = source.get("type") if isinstance(source, Mapping) else None
    is_other_document = block.get("type") == "document" and (kind != "text" or bool(block.get("citations")))
    return is_other_document or kind in _OUTSIDE_SOURCES or "file_id" in block


def _image_bytes(image: Mapping[str, Any]) -> int:
    source = image.get("source")
    data = source.get("data") if isinstance(source, Mapping) and source.get("type") == "base64" else None
    return len(data) if isinstance(data, str) and data.isascii() else 0


def _samples_again(body: Mapping[str, Any]) -> bool:
    """Whether the API may sample more than once: for tools that it runs itself, or for a compaction.

    Tools of one's own have a schema; those that the API runs have a type of their own.
    """
    is_run_there = any(
        _is_server_tool(str(tool.get("type") or "custom")) and tool.get("max_uses") != 0
        for tool in _tools(body)
    )
    return bool(body.get("mcp_servers") or body.get("container") or is_run_there or _may_compact(body))


def _may_compact(body: Mapping[str, Any]) -> bool:
    """Clearing old blocks is no sampling; any other way to manage the context may be."""
    managed = body.get("context_management")
    edits = managed.get("edits") if isinstance(managed, Mapping) else None
    if not managed or not isinstance(edits, list):
        return bool(managed or body.get("compaction"))
    kinds = [str(edit.get("type")) if isinstance(edit, Mapping) else "" for edit in edits]
    return bool(body.get("compaction")) or not all(kind.startswith("clear_") for kind in kinds)


def _is_server_tool(kind: str) -> bool:
    return kind != "custom" and not kind.startswith(_RUN_BY_THE_CALLER)


def _tool_kinds(body: Mapping[str, Any]) -> list[str]:
    return [str(tool.get("type") or "custom") for tool in _tools(body)]


def _tools(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    tools = body.get("tools")
    return [tool for tool in tools if isinstance(tool, Mapping)] if isinstance(tools, list | tuple) else []


def _markers(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every cache marker that the request brings along."""
    system = body.get("system")
    marked = [body, *_tools(body), *(system if isinstance(system, list) else []), *_blocks(body)]
    for place in marked:
        marker = place.get("cache_control") if isinstance(place, Mapping) else None
        if isinstance(marker, Mapping):
            yield marker


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
