"""The most that an input can count: never less than what the API may charge."""

from __future__ import annotations

from typing import Any

import pytest

from claudeflow.domain.usage import Terms
from claudeflow.intake.checks.size import (
    IMAGE_TOKENS,
    LARGEST_WINDOW_TOKENS,
    MOST_USES,
    SEARCHES_WITHOUT_MAX_USES,
    TOOL_PROMPT_TOKENS,
    most_input_tokens,
    most_of,
)


def a_body(*blocks: dict[str, Any], **rest: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(blocks)}], **rest}


TEXT = {"type": "text", "text": "hello"}


def test_text_counts_a_token_a_byte_at_most() -> None:
    assert most_input_tokens({"messages": [{"role": "user", "content": "hello"}]}, 500) == 500
    assert most_input_tokens(a_body(TEXT), 500) == 500


def test_an_image_counts_more_than_its_bytes_may_say() -> None:
    image = {"type": "image", "source": {"type": "base64", "data": "AAAA"}}
    assert most_input_tokens(a_body(TEXT, image, image), 500) == 500 - 2 * len("AAAA") + 2 * IMAGE_TOKENS
    large = {"type": "image", "source": {"type": "base64", "data": "A" * 400_000}}
    assert most_input_tokens(a_body(large), 400_100) == 100 + IMAGE_TOKENS


@pytest.mark.parametrize(
    "block",
    [
        {"type": "image", "source": {"type": "url", "url": "https://x"}},
        {"type": "image", "source": {"type": "file", "file_id": "f"}},
        {"type": "document", "source": {"type": "base64", "data": "AAAA"}},
        {"type": "container_upload", "file_id": "f"},
        {"type": "tool_result", "content": [{"type": "document", "source": {"type": "url", "url": "u"}}]},
        {"type": "document", "source": {"type": "text", "data": "x"}, "citations": {"enabled": True}},
        {"type": "document", "source": {"type": "content", "content": [TEXT]}},
    ],
)
def test_what_is_only_referred_to_can_fill_the_window(block: dict[str, Any]) -> None:
    assert most_input_tokens(a_body(TEXT, block), 500) == LARGEST_WINDOW_TOKENS


def test_a_document_of_plain_text_counts_a_token_a_byte_at_most() -> None:
    document = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}
    assert most_input_tokens(a_body(TEXT, document), 500) == 500
    assert most_input_tokens(a_body({"type": "tool_result", "content": [document]}), 500) == 500


def test_a_server_tool_that_may_not_be_used_reserves_nothing() -> None:
    unused = {"type": "web_fetch_20260209", "name": "web_fetch", "max_uses": 0}
    assert most_of(a_body(TEXT, tools=[unused]), 500).terms == 0
    assert most_input_tokens(a_body(TEXT, tools=[unused]), 500) == 500 + 2 * TOOL_PROMPT_TOKENS


def test_tools_add_their_instructions_and_server_tools_can_fill_the_window() -> None:
    own = {"name": "look", "input_schema": {"type": "object"}}
    search = {"type": "web_search_20260209", "name": "web_search"}
    assert most_input_tokens(a_body(TEXT, tools=[own]), 500) == 500 + TOOL_PROMPT_TOKENS
    assert most_input_tokens(a_body(TEXT, tools=[own, search]), 500) == LARGEST_WINDOW_TOKENS
    bash = {"type": "bash_20250124", "name": "bash"}
    assert most_input_tokens(a_body(TEXT, tools=[own, bash]), 500) == 500 + 2 * TOOL_PROMPT_TOKENS


def test_web_searches_are_bounded_by_max_uses() -> None:
    fetch = {"type": "web_fetch_20260209", "name": "web_fetch"}
    search = {"type": "web_search_20260209", "name": "web_search"}
    own = {"name": "look", "input_schema": {"type": "object"}}
    assert most_of(a_body(TEXT, tools=[own, fetch]), 500).web_searches == 0
    assert most_of(a_body(TEXT, tools=[own, {**search, "max_uses": 3}]), 500).web_searches == 3
    assert most_of(a_body(TEXT, tools=[search]), 500).web_searches == SEARCHES_WITHOUT_MAX_USES
    assert most_of(a_body(TEXT, tools=[{**search, "max_uses": 2**62}]), 500).web_searches == MOST_USES


ADVISED = Terms.SERVER_TOOLS | Terms.OTHER_MODELS
MARKER = {"type": "ephemeral"}
MARKER_1H = {"type": "ephemeral", "ttl": "1h"}


@pytest.mark.parametrize(
    ("body", "terms"),
    [
        (a_body(TEXT), 0),
        (a_body(TEXT, speed="fast"), Terms.FAST),
        (a_body(TEXT, speed="standard"), 0),
        (a_body(TEXT, inference_geo="global"), Terms.ANYWHERE),
        (a_body(TEXT, inference_geo="us"), 0),
        (a_body({**TEXT, "cache_control": MARKER}), Terms.MARKS_5M),
        (a_body(TEXT, cache_control=MARKER_1H), Terms.MARKS_1H),
        (a_body(TEXT, system=[{**TEXT, "cache_control": MARKER_1H}]), Terms.MARKS_1H),
        (a_body(TEXT, tools=[{"name": "look", "cache_control": MARKER}]), Terms.MARKS_5M),
        (a_body({"type": "tool_result", "content": [{**TEXT, "cache_control": MARKER}]}), Terms.MARKS_5M),
        (a_body(TEXT, tools=[{"type": "code_execution_20250825", "name": "code"}]), Terms.SERVER_TOOLS),
        (a_body(TEXT, mcp_servers=[{"name": "x"}]), Terms.SERVER_TOOLS),
        (a_body(TEXT, tools=[{"type": "advisor_20260301", "name": "advisor", "model": "m"}]), ADVISED),
        (a_body(TEXT, context_management={"edits": [{"type": "compact_20260112"}]}), Terms.SERVER_TOOLS),
        (a_body(TEXT, context_management={"edits": [{"type": "clear_tool_uses_20250919"}]}), 0),
        (a_body(TEXT, context_management={"new": True}), Terms.SERVER_TOOLS),
        (a_body(TEXT, compaction={"type": "auto"}), Terms.SERVER_TOOLS),
    ],
)
def test_what_decides_the_prices_of_a_call_is_seen(body: dict[str, Any], terms: int) -> None:
    assert most_of(body, 500).terms == terms
