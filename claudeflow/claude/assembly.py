"""A streamed answer put together again: the same JSON that a plain call would have returned."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import orjson
from pydantic_core import from_json

Json = dict[str, Any]


class MalformedStream(ValueError):
    """Events that do not make a message."""


class MessageAssembly:
    """One streamed message, event by event. Unknown events and deltas are ignored.

    `message` is None until the response has begun; its `usage` is the best account so far.
    """

    def __init__(self) -> None:
        self.message: Json | None = None
        self.is_complete = False
        self._blocks: dict[int, Json] = {}
        self._pieces: dict[tuple[int, str], list[str]] = {}
        self._open: set[int] = set()

    @property
    def is_thinking(self) -> bool:
        """True while a thinking block is open: newest models send nothing until its end."""
        return any(self._blocks[index].get("type") == "thinking" for index in self._open)

    def add(self, event: Json) -> bool:
        """Take one event. True when it carried content, False for pings and unknown events.

        Raises MalformedStream when the event does not fit what came before.
        """
        handler = _HANDLERS.get(str(event.get("type")))
        if handler is None:
            return False
        try:
            handler(self, event)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise MalformedStream(
                f"event {event.get('type')} does not fit ({type(error).__name__})"
            ) from error
        return True

    def usage(self) -> Json:
        """The `usage` seen so far; empty before the response began."""
        usage = (self.message or {}).get("usage")
        return usage if isinstance(usage, dict) else {}

    def result(self) -> Json:
        """The whole message. Call it only once `is_complete`."""
        assert self.message is not None
        return {**self.message, "content": [self._blocks[index] for index in sorted(self._blocks)]}

    def _start(self, event: Json) -> None:
        self.message = dict(event["message"])

    def _start_block(self, event: Json) -> None:
        index = operator.index(event["index"])
        self._blocks[index] = dict(event["content_block"])
        self._open.add(index)

    def _delta(self, event: Json) -> None:
        index, delta = event["index"], event["delta"]
        block = self._blocks[index]
        match delta["type"]:
            case "text_delta":
                self._pieces.setdefault((index, "text"), []).append(delta["text"])
            case "thinking_delta":
                self._pieces.setdefault((index, "thinking"), []).append(delta["thinking"])
            case "input_json_delta":
                self._pieces.setdefault((index, "input"), []).append(delta["partial_json"])
            case "signature_delta":
                block["signature"] = delta["signature"]
            case "citations_delta":
                block["citations"] = [*(block.get("citations") or ()), delta["citation"]]

    def _stop_block(self, event: Json) -> None:
        index = event["index"]
        block = self._blocks[index]
        for field in ("text", "thinking"):
            block_pieces = self._pieces.pop((index, field), None)
            if block_pieces is not None:
                block[field] = "".join([block.get(field) or "", *block_pieces])
        tool_input = "".join(self._pieces.pop((index, "input"), ()))
        if tool_input:
            block["input"] = _tool_input(tool_input)
        self._open.discard(index)

    def _message_delta(self, event: Json) -> None:
        if self.message is None:
            raise MalformedStream("the stream told of an end before a beginning")
        self.message.update(_given(event["delta"]))
        # Cumulative, not additive; what a delta leaves out (cache split, tier, geo) stays from the start.
        self.message["usage"] = {**self.usage(), **_given(event.get("usage") or {})}

    def _stop(self, _event: Json) -> None:
        if self.message is None or self._open:
            raise MalformedStream("the stream stopped before its message was whole")
        self.is_complete = True


_HANDLERS: dict[str, Callable[[MessageAssembly, Json], None]] = {
    "message_start": MessageAssembly._start,
    "content_block_start": MessageAssembly._start_block,
    "content_block_delta": MessageAssembly._delta,
    "content_block_stop": MessageAssembly._stop_block,
    "message_delta": MessageAssembly._message_delta,
    "message_stop": MessageAssembly._stop,
}


def _given(fields: Json) -> Json:
    return {name: value for name, value in fields.items() if value is not None}


def _tool_input(text: str) -> Any:
    """A tool's input; when `max_tokens` cut it short, as much of it as there is."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return from_json(text, allow_partial=True)
