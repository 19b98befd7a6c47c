"""aiohttp under the SDK.

The SDK's own aiohttp transport will not do for three reasons, all seen by measurement: it reports a
connection that broke *after* the request left as a failure to connect, so the books could not tell
whether the call may cost something; it spends a third of a call's CPU on the cookies that the
API's edge sets on every answer; and bodies above 1 MiB raise a warning each.
httpx2's own pool walks all its connections at every request, which no daemon with hundreds of
calls in flight can afford.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any, NoReturn
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx2

from claudeflow.claude.settings import ClaudeSettings

LARGE_BODY_BYTES = 1 << 20
PIECE_BYTES = 1 << 16
# Probe silent connections: a call may be quiet for minutes, and NAT tables forget.
_KEEPALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 60), ("TCP_KEEPCNT", 5))

# Source, target, and words in place of aiohttp's where those may quote a piece of an answer.
_TRANSLATION: tuple[tuple[type[Exception], type[httpx2.TransportError], str | None], ...] = (
    (aiohttp.ConnectionTimeoutError, httpx2.ConnectTimeout, None),
    (aiohttp.ServerTimeoutError, httpx2.ReadTimeout, None),
    (aiohttp.ClientConnectorError, httpx2.ConnectError, None),
    (aiohttp.ServerFingerprintMismatch, httpx2.ConnectError, None),
    (aiohttp.ClientHttpProxyError, httpx2.ProxyError, None),
    (aiohttp.InvalidURL, httpx2.UnsupportedProtocol, None),
    (aiohttp.ClientPayloadError, httpx2.RemoteProtocolError, "the answer broke off"),
    (aiohttp.ServerDisconnectedError, httpx2.RemoteProtocolError, None),
    (aiohttp.ClientResponseError, httpx2.RemoteProtocolError, "the answer is no HTTP"),
    (aiohttp.ClientError, httpx2.ReadError, None),
    (OSError, httpx2.ReadError, None),
)
_TRANSLATED = tuple(source for source, _, _ in _TRANSLATION)

AS_IT_ARRIVES = frozenset(
    {
        "text/event-stream",
        "application/x-jsonl",  # what results of batches come as
        "application/jsonl",
        "application/x-ndjson",
        "application/binary",
        "binary/octet-stream",
        "application/octet-stream",  # also what aiohttp makes of no type at all: so older results came
    }
)
"""Content types of bodies that may have no end in sight."""


class AiohttpTransport(httpx2.AsyncBaseTransport):
    """Sends httpx2 requests through one aiohttp session, which opens with the first of them.

    Bodies of the types in AS_IT_ARRIVES are handed on piece by piece; any other is read whole first.
    """

    def __init__(self, settings: ClaudeSettings) -> None:
        self._settings = settings
        self._proxy = _proxy_for(settings.base_url)
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """One round trip. Raises httpx2.ConnectError only when no connection came about."""
        session = self._session = self._session or self._open()
        body = request.content
        try:
            response = await session.request(
                request.method,
                str(request.url),
                headers=[
                    (name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw
                ],
                data=_pieces(body) if len(body) > LARGE_BODY_BYTES else body,
                proxy=self._proxy,
                allow_redirects=False,
            )
            stream: httpx2.AsyncByteStream
            if response.content_type in AS_IT_ARRIVES:
                stream = _Arriving(response)
            else:
                stream = httpx2.ByteStream(await response.read())
        except _TRANSLATED as error:
            _raise_translated(error)
        headers = [pair for pair in response.raw_headers if pair[0].lower() != b"set-cookie"]
        return httpx2.Response(response.status, headers=headers, stream=stream)

    async def aclose(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        settings = self._settings
        is_https = urlsplit(settings.base_url).scheme == "https"
        connector = aiohttp.TCPConnector(
            limit=settings.max_connections,
            keepalive_timeout=settings.keepalive_s,
            ssl=httpx2.create_ssl_context() if is_https else False,
            socket_factory=_probed_socket,
        )
        return aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=settings.connect_timeout_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Content-Type"),
            auto_decompress=False,
        )


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    """A large body bit by bit. Anything else that aiohttp can send makes it copy the whole."""
    for start in range(0, len(body), PIECE_BYTES):
        yield body[start : start + PIECE_BYTES]
        await asyncio.sleep(0)  # a fast network would not let anybody else run


class _Arriving(httpx2.AsyncByteStream):
    """A body as it arrives. What nobody takes stays with the sender, but for some 100 KB."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._response.content.iter_any():
                yield chunk
        except _TRANSLATED as error:
            _raise_translated(error)

    async def aclose(self) -> None:
        """Give the connection back if the stream was read to its end, else close it."""
        if not self._response.content.at_eof():
            self._response.close()


def _raise_translated(error: Exception) -> NoReturn:
    """The same as an error of httpx2, with its cause where nothing of an answer can be in it."""
    target, words = next(row[1:] for row in _TRANSLATION if isinstance(error, row[0]))
    raise target(words or str(error) or type(error).__name__) from (None if words else error)


def _proxy_for(base_url: str) -> str | None:
    """The proxy that the environment names for this URL, decided once instead of at every call."""
    url = urlsplit(base_url)
    if not url.hostname or proxy_bypass(url.hostname):
        return None
    proxies = getproxies()
    return proxies.get(url.scheme) or proxies.get("all")


def _probed_socket(address: Any) -> socket.socket:
    family, kind, protocol, *_ = address
    opened = socket.socket(family, kind, protocol)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE:
        if hasattr(socket, name):
            opened.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return opened
