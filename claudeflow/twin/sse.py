"""A reply as server-sent events, in the order and the words of the real API."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from claudeflow.twin.replies import Reply

PING = b'event: ping\ndata: {"type": "ping"}\n\n'


@dataclass(frozen=True, slots=True)
class Piece:
    """Some bytes of a stream, and how many tokens had to be generated for them."""

    data: bytes
    tokens: int = 0
    last: bool = False


def event(body: dict[str, Any]) -> bytes:
    """One event; its name is the `type` of the body."""
    return b"event: %b\ndata: %b\n\n" % (body["type"].encode(), orjson.dumps(body))


def opening(message: dict[str, Any]) -> Piece:
    """`message_start`."""
    return Piece(event({"type": "message_start", "message": message}))


def contents(reply: Reply, tokens_per_event: int) -> Iterator[Piece]:
    """The events of all content blocks, with one ping where the API has its first."""
    left = reply.tokens
    for index, block in enumerate(reply.blocks):
        shell, deltas = _take_apart(block)
        start = event({"type": "content_block_start", "index": index, "content_block": shell})
        yield Piece(start + PING if index == 0 else start)
        share = reply.thinking_tokens if block["type"] == "thinking" else left
        for delta, tokens in _split(deltas, share, tokens_per_event):
            yield Piece(event({"type": "content_block_delta", "index": index, "delta": delta}), tokens)
        left -= share
        yield Piece(event({"type": "content_block_stop", "index": index}))


def closing(delta: dict[str, Any], usage: dict[str, Any]) -> Piece:
    """`message_delta` with the cumulative usage, and `message_stop`."""
    last = event({"type": "message_delta", "delta": delta, "usage": usage})
    return Piece(last + event({"type": "message_stop"}), last=True)


def _take_apart(block: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, str, str]]:
    """A block's empty shell, and (delta type, field, whole text) of what fills it."""
    if block["type"] == "text":
        return {"type": "text", "text": ""}, ("text_delta", "text", block["text"])
    if block["type"] == "thinking":
        shell = {"type": "thinking", "thinking": "", "signature": ""}
        return shell, ("signature_delta", "signature", block["signature"])
    return {**block, "input": {}}, ("input_json_delta", "partial_json", orjson.dumps(block["input"]).decode())


def _split(
    deltas: tuple[str, str, str], tokens: int, tokens_per_event: int
) -> Iterator[tuple[dict[str, str], int]]:
    kind, name, whole = deltas
    if kind == "signature_delta":
        yield {"type": kind, name: whole}, tokens
        return
    parts = max(1, -(-tokens // tokens_per_event))
    size = max(1, -(-len(whole) // parts))
    told = 0
    for number, start in enumerate(range(0, max(1, len(whole)), size), start=1):
        last = start + size >= len(whole)
        until = tokens if last else min(tokens, number * tokens_per_event)
        yield {"type": kind, name: whole[start : start + size]}, until - told
        told = until
