"""A scripted other side under the real SDK: what it answers, byte by byte, and what it was sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2

RESPONSE_HEADERS = {"date": "Sun, 22 Nov 2026 10:00:00 GMT", "request-id": "req_1"}


@dataclass(frozen=True)
class Silence:
    """A step after which nothing arrives any more."""


@dataclass(frozen=True)
class EndlessPings:
    """A step after which pings arrive, and nothing else, for ever."""


Step = bytes | Exception | Silence | EndlessPings


@dataclass(frozen=True)
class Answer:
    """One response. Its body arrives step by step; an exception breaks it off."""

    steps: tuple[Step, ...]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class ScriptedTransport(httpx2.AsyncBaseTransport):
    """Gives its answers in turn and keeps the requests. An exception stands for no response at all."""

    def __init__(self, *answers: Answer | Exception | Silence) -> None:
        self._answers = list(answers)
        self.requests: list[httpx2.Request] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await request.aread()
        self.requests.append(request)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        while isinstance(answer, Silence):
            await asyncio.Event().wait()
        return httpx2.Response(answer.status, headers=answer.headers, stream=_Body(answer.steps))

    def bodies(self) -> list[Any]:
        """The JSON of each request so far."""
        return [json.loads(request.content) for request in self.requests]


class _Body(httpx2.AsyncByteStream):
    def __init__(self, steps: Iterable[Step]) -> None:
        self._steps = steps

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for step in self._steps:
            match step:
                case bytes():
                    yield step
                case Exception():
                    raise step
                case Silence():
                    await asyncio.Event().wait()
                case EndlessPings():
                    while True:
                        await asyncio.sleep(0)
                        yield event("ping")


def json_answer(body: Any, *, status: int = 200, **headers: str) -> Answer:
    """A plain response; header names with `_` for `-`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(
        (json.dumps(body).encode(),),
        status,
        {**RESPONSE_HEADERS, "content-type": "application/json", **named},
    )


def error_answer(
    status: int, error_type: str, message: str = "no", code: str | None = None, **headers: str
) -> Answer:
    """An error response in the API's own shape."""
    return json_answer(error_body(error_type, message, code), status=status, **headers)


def error_body(error_type: str, message: str = "no", code: str | None = None) -> dict[str, Any]:
    """The API's error envelope."""
    details = {} if code is None else {"details": {"error_code": code}}
    return {
        "type": "error",
        "error": {"type": error_type, "message": message, **details},
        "request_id": "req_1",
    }


def stream_answer(*steps: Step, **headers: str) -> Answer:
    """An event stream."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(steps, 200, {**RESPONSE_HEADERS, "content-type": "text/event-stream", **named})


def event(kind: str, **fields: Any) -> bytes:
    """One server-sent event as the API writes it."""
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def a_message(text: str = "Hello there", **fields: Any) -> dict[str, Any]:
    """An answer of the API."""
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-5-5",
        "content": [{"type": "text", "text": text}] if text else [],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 12, "output_tokens": 5, "service_tier": "standard"},
        **fields,
    }


def message_start(**usage: Any) -> bytes:
    """The event that a response begins with."""
    counted = {"input_tokens": 12, "output_tokens": 1, "service_tier": "standard", **usage}
    return event("message_start", message=a_message("", stop_reason=None, usage=counted))


def text_block(*pieces: str, index: int = 0) -> bytes:
    """The events of one text block."""
    deltas = [
        event("content_block_delta", index=index, delta={"type": "text_delta", "text": piece})
        for piece in pieces
    ]
    start = event("content_block_start", index=index, content_block={"type": "text", "text": ""})
    return b"".join([start, *deltas, event("content_block_stop", index=index)])


def message_end(stop_reason: str | None = "end_turn", output_tokens: int = 5) -> bytes:
    """The events that a response ends with."""
    delta = {"stop_reason": stop_reason, "stop_sequence": None}
    usage = {"output_tokens": output_tokens}
    return event("message_delta", delta=delta, usage=usage) + event("message_stop")
