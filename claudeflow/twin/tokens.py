"""A repeatable stand-in for the tokenizer: about 3.6 characters to a token, fewer for newer models."""

from __future__ import annotations

from typing import Any

import orjson

from claudeflow.twin.models import Model

IMAGE_TOKENS = 1_500
MESSAGE_TOKENS = 4
_TOKENS_PER_360_CHARS = 100
_FINER_TOKENS_PER_360_CHARS = 130
_BASE64_CHARS_PER_TOKEN = 40


def chars_per_token(model: Model) -> float:
    """Characters of text in one token of `model`."""
    return 360 / (_FINER_TOKENS_PER_360_CHARS if model.counts_finer else _TOKENS_PER_360_CHARS)


def text_tokens(chars: float, model: Model) -> int:
    """Tokens in a text of `chars` characters, rounded up."""
    per_360 = _FINER_TOKENS_PER_360_CHARS if model.counts_finer else _TOKENS_PER_360_CHARS
    return -int(-chars * per_360 // 360)


def block_chars(block: Any, model: Model) -> float:
    """The weight of one content block or tool definition, as characters of plain text."""
    if isinstance(block, str):
        return len(block)
    kind = block.get("type")
    if kind == "text":
        return len(block["text"])
    if kind == "image":
        return IMAGE_TOKENS * chars_per_token(model)
    if kind == "document":
        return _document_chars(block, model)
    return len(orjson.dumps({key: value for key, value in block.items() if key != "cache_control"}))


def _document_chars(block: dict[str, Any], model: Model) -> float:
    data = block.get("source", {}).get("data", "")
    if block.get("source", {}).get("type") == "text":
        return len(data)
    return len(data) / _BASE64_CHARS_PER_TOKEN * chars_per_token(model)
