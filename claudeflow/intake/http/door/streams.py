"""A response that goes on until its source ends, its reader hangs up, or its reader is too slow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

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

    def __init__(
        self, frames: Frames, keep_alive_s: float, until_lapse: Callable[[], Coroutine[Any, Any, None]]
    ) -> None:
        """`until_lapse` returns once the reader may not read along any more."""
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        self._frames = frames
        self._keep_alive_s = keep_alive_s
        self._until_lapse = until_lapse
        self._has_begun = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Write until the source ends; end early when the reader hangs up, is cut off or may not read."""
        reading = self._frames.reading
        abort = scope.get("state", {}).get(ABORT, lambda: None)
        reading.on_cut_off(abort)
        try:
            async with asyncio.TaskGroup() as group:
                writing = group.create_task(self._write(send))
                hearing = group.create_task(_hung_up(receive))
                lapsing = group.create_task(self._until_lapse())
                tasks = {writing, hearing, lapsing}
                ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in tasks:
                    task.cancel()
            if ended == {lapsing} and self._has_begun:
                await _send(send, b"", more=False)
            elif ended == {lapsing}:
                abort()
        finally:
            reading.close()

    async def _write(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        self._has_begun = True
        await _send(send, self._frames.hello())
        reading = self._frames.reading
        while not reading.is_over:
            if not await reading.news(self._keep_alive_s):
                await _send(send, self._frames.alive())
            while (found := self._frames.next()) is not None:
                await (_send(send, found) if found else asyncio.sleep(0))
        await _send(send, b"", more=False)


async def _send(send: Send, piece: bytes, *, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": piece, "more_body": more})


async def _hung_up(receive: Receive) -> None:
    """Return once the reader has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
