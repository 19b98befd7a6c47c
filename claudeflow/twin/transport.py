"""The twin in process: an httpx2 transport, to be put under the real SDK."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2

from claudeflow.twin.control import respond
from claudeflow.twin.engine import Twin
from claudeflow.twin.errors import ConnectionDropped, ConnectionRefused
from claudeflow.twin.settings import TwinSettings
from claudeflow.twin.wire import Body, HttpCall


class TwinTransport(httpx2.AsyncBaseTransport):
    """Sends every request to a twin.

    An outage is `httpx2.ConnectError`; a dropped connection is `httpx2.ReadError` before the headers and
    `httpx2.RemoteProtocolError` within the body. Leaving a stream early, or cancelling a call, tells the
    twin that the client went away.
    """

    def __init__(self, twin: Twin | TwinSettings | None = None) -> None:
        self.twin = twin if isinstance(twin, Twin) else Twin(twin)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer one request."""
        call = HttpCall(
            method=request.method,
            path=request.url.path,
            query=request.url.query.decode(),
            headers=dict(request.headers.items()),
            body=await request.aread(),
            scheme=request.url.scheme,
        )
        try:
            answer = await respond(self.twin, call)
        except ConnectionRefused:
            raise httpx2.ConnectError("connection refused by the twin", request=request) from None
        except ConnectionDropped:
            raise httpx2.ReadError("connection reset by the twin", request=request) from None
        if isinstance(answer.body, bytes):
            length = (b"content-length", b"%d" % len(answer.body))
            headers = [*answer.headers, length]
            return httpx2.Response(answer.status, headers=headers, stream=httpx2.ByteStream(answer.body))
        return httpx2.Response(answer.status, headers=answer.headers, stream=_Pieces(answer.body))


class _Pieces(httpx2.AsyncByteStream):
    def __init__(self, body: Body) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for data in self._body:
                yield data
        except ConnectionDropped:
            raise httpx2.RemoteProtocolError(
                "peer closed connection without sending complete message body"
            ) from None

    async def aclose(self) -> None:
        await self._body.aclose()
