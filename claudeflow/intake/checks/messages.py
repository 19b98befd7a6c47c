"""Checks of `messages`: roles, content, and what API version 2026-10-21 refuses in them.

Only what the API is known to answer with 400 is a mistake. Block types and fields that are not
known here pass: the API decides. Content is named by its kind, never quoted.
"""

from __future__ import annotations

from typing import Any

from claudeflow.intake.checks.models import ModelTraits
from claudeflow.intake.mistakes import Mistakes, did_you_mean, kind_of, show

MOST_MESSAGES = 100_000
_ROLES = ("user", "assistant", "system")


def check_messages(messages: Any, traits: ModelTraits, mistakes: Mistakes) -> None:
    """Check the whole `messages` list of a request."""
    field = "request.messages"
    if not isinstance(messages, list):
        mistakes.add(field, f"must be a list of messages, found {kind_of(messages)}")
        return
    if not messages:
        mistakes.add(field, 'is empty; send at least one message like {"role": "user", "content": "…"}')
        return
    if len(messages) > MOST_MESSAGES:
        mistakes.add(field, f"has {len(messages):,} messages; the API takes {MOST_MESSAGES:,} at most")
        return
    for index, message in enumerate(messages):
        _check_message(f"{field}[{index}]", message, mistakes)
    last = messages[-1]
    if isinstance(last, dict) and last.get("role") == "assistant" and not traits.takes_prefill:
        mistakes.add(
            f"{field}[{len(messages) - 1}].role",
            "the last message is the assistant's (prefill), which models from 4.6 on refuse; "
            "end with a user message, or use output_config.format to shape the answer",
        )


def _check_message(field: str, message: Any, mistakes: Mistakes) -> None:
    if not isinstance(message, dict):
        mistakes.add(field, f'must be an object with "role" and "content", found {kind_of(message)}')
        return
    role = message.get("role")
    if role not in _ROLES:
        hint = did_you_mean(role, _ROLES) if isinstance(role, str) else ""
        found = "is missing" if "role" not in message else f"found {show(role)}"
        mistakes.add(f"{field}.role", f"{found}; allowed are user, assistant and system.{hint}")
    content = message.get("content")
    if isinstance(content, str) and content:
        return
    if isinstance(content, list) and content:
        for index, block in enumerate(content):
            _check_block(f"{field}.content[{index}]", block, role, mistakes)
        return
    found = "is missing" if "content" not in message else f"found {_emptiness(content)}"
    mistakes.add(f"{field}.content", f"{found}; it must be text or a list of content blocks, and not empty")


def _check_block(field: str, block: Any, role: Any, mistakes: Mistakes) -> None:
    if not isinstance(block, dict):
        mistakes.add(
            field, f'must be a content block like {{"type": "text", "text": "…"}}, found {kind_of(block)}'
        )
        return
    kind = block.get("type")
    if not isinstance(kind, str) or not kind:
        found = "is missing" if "type" not in block else f"found {kind_of(kind)}"
        mistakes.add(f"{field}.type", f'{found}; name the kind of block, like "text"')
    elif kind == "text":
        _check_text_block(field, block, role, mistakes)
    elif kind == "document" and role == "assistant":
        mistakes.add(
            field,
            "documents in assistant messages are refused since API version 2026-10-21; "
            "move it to a user message",
        )


def _check_text_block(field: str, block: dict[str, Any], role: Any, mistakes: Mistakes) -> None:
    text = block.get("text")
    if not isinstance(text, str) or not text:
        found = "is missing" if "text" not in block else f"found {kind_of(text)}"
        mistakes.add(f"{field}.text", f"{found}; it must be text and not empty: fill it, or drop the block")
    if role == "user" and block.get("citations") is not None:
        mistakes.add(
            f"{field}.citations",
            "citations on user text blocks are refused since API version 2026-10-21; drop the field",
        )


def _emptiness(content: Any) -> str:
    return "an empty list" if content == [] and isinstance(content, list) else kind_of(content)
