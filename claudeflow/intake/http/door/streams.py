"""A response that goes on until its source ends, its reader hangs up, or its reader is too slow."""

from __future__ import annotations

import asyncio
from typing import Protocol

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from claudeflow.intake.desks.events import Reading

HEADERS = {"content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no"}

ABORT = "abort"
"""Where the state of a connection has what ends it at once."""


class Frames(Protocol):
    """What is written, and where it comes from."""

    @property
    def reading(self) -> Reading:
        """The place in the stream of events."""
        ...

    def hello(self) -> bytes:
        """What is written first."""
        ...

    def next(self) -> bytes | None:
        """What comes next, empty where nothing of it is wanted; None when there is nothing now."""
        ...

    def alive(self) -> bytes:
        """What is written while nothing happens."""
        ...


class StreamedResponse(Response):
    """Writes frames as they come. Nobody waits for its reader but this one task."""

    def __init__(self, frames: Frames, keep_alive_s: float) -> None:
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        self._frames = frames
        self._keep_alive_s = keep_alive_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Write until the source ends; end early when the reader hangs up, or is cut off."""
        reading = self._frames.reading
        reading.on_cut_off(scope.get("state", {}).get(ABORT, lambda: None))
        try:
            async with asyncio.TaskGroup() as group:
                writing = group.create_task(self._write(send))
                hearing = group.create_task(_hung_up(receive))
                await asyncio.wait((writing, hearing), return_when=asyncio.FIRST_COMPLETED)
                writing.cancel()
                hearing.cancel()
        finally:
            reading.close()

    async def _write(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await _send(send, self._frames.hello())
        reading = self._frames.reading
        while not reading.is_over:
            if not await reading.news(self._keep_alive_s):
                await _send(send, self._frames.alive())
            while (found := self._frames.next()) is not None:
                await (_send(send, found) if found else asyncio.sleep(0))
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _send(send: Send, piece: bytes) -> None:
    await send({"type": "http.response.body", "body": piece, "more_body": True})


async def _hung_up(receive: Receive) -> None:
    """Return once the reader has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
