"""The twin as an ASGI application."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from claudeflow.twin.control import PREFIX, respond
from claudeflow.twin.engine import Twin
from claudeflow.twin.errors import ConnectionDropped
from claudeflow.twin.wire import HttpAnswer, HttpCall

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

CONNECTION_STATE_KEY = "twin.connection"
_NO_LINGER = struct.pack("ii", 1, 0)


class TwinApp:
    """Serves one twin. Needs a server that puts the connection into the state, or resets are not sent."""

    def __init__(self, twin: Twin) -> None:
        self.twin = twin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            return
        call = HttpCall(
            method=scope["method"],
            path=scope["path"],
            query=scope["query_string"].decode(),
            headers={name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
            body=await _read(receive),
            scheme=scope["scheme"],
        )
        if self.twin.takes_time and not call.path.startswith(PREFIX):
            await self._answer_while_connected(call, scope, receive, send)
        else:
            await self._answer(call, scope, send)

    async def _answer_while_connected(
        self, call: HttpCall, scope: Scope, receive: Receive, send: Send
    ) -> None:
        answering = asyncio.ensure_future(self._answer(call, scope, send))
        leaving = asyncio.ensure_future(_disconnected(receive))
        try:
            await asyncio.wait((answering, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            if not answering.done():
                answering.cancel()
            await asyncio.wait((answering, leaving))
        if not answering.cancelled():
            answering.result()

    async def _answer(self, call: HttpCall, scope: Scope, send: Send) -> None:
        try:
            await _send(await respond(self.twin, call), send)
        except ConnectionDropped:
            _reset_connection(scope)


async def _send(answer: HttpAnswer, send: Send) -> None:
    if isinstance(answer.body, bytes):
        headers = [*answer.headers, (b"content-length", b"%d" % len(answer.body))]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})
        return
    try:
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        async for data in answer.body:
            await send({"type": "http.response.body", "body": data, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        await answer.body.aclose()


async def _read(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        return body
    parts = [body]
    while message.get("more_body"):
        message = await receive()
        parts.append(message.get("body", b""))
    return b"".join(parts)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _reset_connection(scope: Scope) -> None:
    """Drop the connection so that the client sees a reset, not an orderly end."""
    connection = scope.get("state", {}).get(CONNECTION_STATE_KEY)
    if connection is None:
        return
    transport = connection.transport
    raw = transport.get_extra_info("socket")
    if raw is not None and raw.family != socket.AF_UNIX:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()
