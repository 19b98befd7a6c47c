"""The most that an input can count: never less than what the API may charge."""

from __future__ import annotations

from typing import Any

import pytest

from claudeflow.intake.size import (
    IMAGE_TOKENS,
    LARGEST_WINDOW_TOKENS,
    TOOL_PROMPT_TOKENS,
    most_input_tokens,
)


def a_body(*blocks: dict[str, Any], **rest: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(blocks)}], **rest}


TEXT = {"type": "text", "text": "hello"}


def test_text_counts_a_token_a_byte_at_most() -> None:
    assert most_input_tokens({"messages": [{"role": "user", "content": "hello"}]}, 500) == 500
    assert most_input_tokens(a_body(TEXT), 500) == 500


def test_an_image_counts_more_than_its_bytes_may_say() -> None:
    image = {"type": "image", "source": {"type": "base64", "data": "AAAA"}}
    assert most_input_tokens(a_body(TEXT, image, image), 500) == 500 + 2 * IMAGE_TOKENS


@pytest.mark.parametrize(
    "block",
    [
        {"type": "image", "source": {"type": "url", "url": "https://x"}},
        {"type": "image", "source": {"type": "file", "file_id": "f"}},
        {"type": "document", "source": {"type": "base64", "data": "AAAA"}},
        {"type": "container_upload", "file_id": "f"},
        {"type": "tool_result", "content": [{"type": "document", "source": {"type": "text", "data": "x"}}]},
    ],
)
def test_what_is_only_referred_to_can_fill_the_window(block: dict[str, Any]) -> None:
    assert most_input_tokens(a_body(TEXT, block), 500) == LARGEST_WINDOW_TOKENS


def test_tools_add_their_instructions_and_server_tools_can_fill_the_window() -> None:
    own = {"name": "look", "input_schema": {"type": "object"}}
    search = {"type": "web_search_20260209", "name": "web_search"}
    assert most_input_tokens(a_body(TEXT, tools=[own]), 500) == 500 + TOOL_PROMPT_TOKENS
    assert most_input_tokens(a_body(TEXT, tools=[own, search]), 500) == LARGEST_WINDOW_TOKENS
