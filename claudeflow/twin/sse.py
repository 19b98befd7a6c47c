"""A reply as server-sent events, in the order and the words of the real API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson

from claudeflow.twin.replies import Reply

_DELTA = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":"%b","%b":'
)
_SIGNATURE = b"signature_delta"
PING = b'event: ping\ndata: {"type": "ping"}\n\n'


class Piece(NamedTuple):
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
        shell, kind, field, whole = _take_apart(block)
        start = event({"type": "content_block_start", "index": index, "content_block": shell})
        yield Piece(start + PING if index == 0 else start)
        share = reply.thinking_tokens if block["type"] == "thinking" else left
        # Most of a stream is deltas: only their text is made into JSON one by one.
        begins = _DELTA % (index, kind, field)
        for part, tokens in _split(kind, whole, share, tokens_per_event):
            yield Piece(b"%b%b}}\n\n" % (begins, orjson.dumps(part)), tokens)
        left -= share
        yield Piece(event({"type": "content_block_stop", "index": index}))


def closing(delta: dict[str, Any], usage: dict[str, Any]) -> Piece:
    """`message_delta` with the cumulative usage, and `message_stop`."""
    last = event({"type": "message_delta", "delta": delta, "usage": usage})
    return Piece(last + event({"type": "message_stop"}), last=True)


def _take_apart(block: dict[str, Any]) -> tuple[dict[str, Any], bytes, bytes, str]:
    """A block's empty shell, and (delta type, field, whole text) of what fills it."""
    if block["type"] == "text":
        return {"type": "text", "text": ""}, b"text_delta", b"text", block["text"]
    if block["type"] == "thinking":
        empty = {"type": "thinking", "thinking": "", "signature": ""}
        return empty, _SIGNATURE, b"signature", block["signature"]
    written = orjson.dumps(block["input"]).decode()
    return {**block, "input": {}}, b"input_json_delta", b"partial_json", written


def _split(kind: bytes, whole: str, tokens: int, tokens_per_event: int) -> Iterator[tuple[str, int]]:
    if kind == _SIGNATURE:
        yield whole, tokens
        return
    parts = max(1, -(-tokens // tokens_per_event))
    size = max(1, -(-len(whole) // parts))
    told = 0
    for number, start in enumerate(range(0, max(1, len(whole)), size), start=1):
        last = start + size >= len(whole)
        until = tokens if last else min(tokens, number * tokens_per_event)
        yield whole[start : start + size], until - told
        told = until
