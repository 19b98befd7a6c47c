"""A Messages API that costs next to nothing: one canned answer, nothing checked, nothing counted but calls.

The twin does honest work for every answer and would be the bottleneck on the other core. This
answers some tens of thousands of requests a second. `python -m benchmarks.fake_api` prints its port.
`GET /calls` tells how many calls arrived, `GET /stamps` the monotonic moments of the last of them.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

import orjson
import uvloop

HUGE = b"1000000000"
STAMPS_KEPT = 10_000
TEXT = "The change opens one port from a named group to a named host, and the comment says until when. " * 6
USAGE = {
    "input_tokens": 480,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 0,
    "output_tokens": 120,
    "service_tier": "standard",
}
MESSAGE = {
    "id": "msg_01XFDUDYJgAACzvnptvVoYEL",
    "type": "message",
    "role": "assistant",
    "model": "claude-haiku-5-5",
    "content": [{"type": "text", "text": TEXT}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": USAGE,
}


def _headers(content_type: bytes, framing: bytes) -> bytes:
    lines = [b"HTTP/1.1 200 OK", b"content-type: " + content_type, framing]
    for family in (b"requests", b"input-tokens", b"output-tokens", b"tokens"):
        stem = b"anthropic-ratelimit-" + family
        lines += [
            stem + b"-limit: " + HUGE,
            stem + b"-remaining: " + HUGE,
            stem + b"-reset: 2030-01-01T00:00:00Z",
        ]
    lines += [
        b"request-id: req_011CSHoEeqs5C35K2UUqR7Fy",
        b"anthropic-organization-id: 00000000-0000-4000-8000-000000000001",
        b"date: Tue, 01 Jan 2030 00:00:00 GMT",
        b"server: fake",
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def plain_answer() -> bytes:
    """A whole response with a message of about 1 KB."""
    body = orjson.dumps(MESSAGE)
    return _headers(b"application/json", b"content-length: %d" % len(body)) + body


def streamed_answer(deltas: int) -> list[bytes]:
    """The same message as server-sent events: the pieces to write, one for each text delta."""
    start = {**MESSAGE, "content": [], "stop_reason": None, "usage": {**USAGE, "output_tokens": 1}}
    step = len(TEXT) // deltas + 1
    events: list[dict[str, object]] = [
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": TEXT[at : at + step]},
        }
        for at in range(0, len(TEXT), step)
    ]
    first = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    last = {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}}
    opening = _chunk({"type": "message_start", "message": start}) + _chunk(first)
    closing = _chunk({"type": "content_block_stop", "index": 0})
    closing += _chunk({**last, "usage": {"output_tokens": 120}}) + _chunk({"type": "message_stop"})
    head = _headers(b"text/event-stream; charset=utf-8", b"transfer-encoding: chunked")
    return [head + opening, *(_chunk(event) for event in events), closing + b"0\r\n\r\n"]


def _chunk(event: dict[str, object]) -> bytes:
    data = b"event: %s\ndata: %s\n\n" % (str(event["type"]).encode(), orjson.dumps(event))
    return b"%x\r\n%s\r\n" % (len(data), data)


@dataclass(slots=True)
class Answers:
    """What every connection of one server shares."""

    latency_s: float
    event_gap_s: float
    deltas: int
    plain: bytes = field(default_factory=plain_answer)
    pieces: list[bytes] = field(default_factory=list)
    calls: int = 0
    stamps: deque[float] = field(default_factory=lambda: deque(maxlen=STAMPS_KEPT))

    def __post_init__(self) -> None:
        self.pieces = streamed_answer(self.deltas)

    def tell(self, path: bytes) -> bytes:
        """The answer to a GET."""
        body = orjson.dumps(list(self.stamps) if path == b"/stamps" else self.calls)
        return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body


class Connection(asyncio.Protocol):
    """One kept-alive connection, one request at a time."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's does not inherit

    def data_received(self, data: bytes) -> None:
        """Answer once a request is whole."""
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found or len(rest) < _content_length(head):
            return
        self._buffer = b""
        if head.startswith(b"GET"):
            self._write(self._answers.tell(head.split(b" ", 2)[1]))
            return
        self._answers.calls += 1
        self._answers.stamps.append(time.monotonic())
        streamed = b'"stream":true' in rest or b'"stream": true' in rest
        answer = self._stream if streamed else self._plain
        if self._answers.latency_s:
            self._loop.call_later(self._answers.latency_s, answer)
        else:
            answer()

    def _plain(self) -> None:
        self._write(self._answers.plain)

    def _stream(self) -> None:
        if self._answers.event_gap_s:
            self._write_next(iter(self._answers.pieces))
        else:
            self._write(b"".join(self._answers.pieces))

    def _write_next(self, pieces: Iterator[bytes]) -> None:
        """Write one piece, and the next one later: timers of their own could overtake each other."""
        piece = next(pieces, None)
        if piece is not None:
            self._write(piece)
            self._loop.call_later(self._answers.event_gap_s, self._write_next, pieces)

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)


def _content_length(head: bytes) -> int:
    _, found, rest = head.lower().partition(b"content-length:")
    return int(rest.partition(b"\r\n")[0]) if found else 0


async def serve(answers: Answers) -> None:
    """Serve on a free port of the loopback until killed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(answers), "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(description="a Messages API that costs next to nothing")
    parser.add_argument("--latency-s", type=float, default=0.0)
    parser.add_argument("--event-gap-s", type=float, default=0.0)
    parser.add_argument("--deltas", type=int, default=50)
    wish = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(Answers(wish.latency_s, wish.event_gap_s, wish.deltas)))


if __name__ == "__main__":
    main()
