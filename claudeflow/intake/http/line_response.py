"""A streamed answer that leaves as it comes, to a reader that may be slow, stuck or gone."""

from __future__ import annotations

import asyncio

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from claudeflow.intake.desks.messages import Flow, Line
from claudeflow.intake.http.door.streams import ABORT


class LineResponse(Response):
    """Sends what a line brings. It closes the line, and the connection of a reader that was cut off."""

    def __init__(self, line: Line, flow: Flow, leaving: asyncio.Task[None]) -> None:
        """`leaving` watches for the caller's going away."""
        headers = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
        super().__init__(None, 200, {**headers, **flow.headers})
        del self.headers["content-length"]
        self._line = line
        self._leaving = leaving

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Send until the answer ends, or its reader does."""
        line = self._line
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            async for events in line.pieces():
                await send({"type": "http.response.body", "body": events, "more_body": True})
            if line.is_cut:
                _drop_connection(scope)
            else:
                await send({"type": "http.response.body", "body": b""})
        finally:
            self._leaving.cancel()
            await line.close()


def _drop_connection(scope: Scope) -> None:
    scope.get("state", {}).get(ABORT, lambda: None)()
