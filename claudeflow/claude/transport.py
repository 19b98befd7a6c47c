"""aiohttp under the SDK.

The SDK's own aiohttp transport will not do for three reasons, all seen by measurement: it reports a
connection that broke *after* the request left as a failure to connect, so the books could not tell
whether the call may cost something; it spends a third of a call's CPU on the cookies that the
API's edge sets on every answer; and bodies above 1 MiB raise a warning each.
httpx2's own pool walks all its connections at every request, which no daemon with hundreds of
calls in flight can afford.
"""

from __future__ import annotations

import io
import socket
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx2

from claudeflow.claude.settings import ClaudeSettings

LARGE_BODY_BYTES = 1 << 20
# Probe silent connections: a call may be quiet for minutes, and NAT tables forget.
_KEEPALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 60), ("TCP_KEEPCNT", 5))

_TRANSLATION: tuple[tuple[type[Exception], type[httpx2.TransportError]], ...] = (
    (aiohttp.ConnectionTimeoutError, httpx2.ConnectTimeout),
    (aiohttp.ServerTimeoutError, httpx2.ReadTimeout),
    (aiohttp.ClientConnectorError, httpx2.ConnectError),
    (aiohttp.ServerFingerprintMismatch, httpx2.ConnectError),
    (aiohttp.ClientHttpProxyError, httpx2.ProxyError),
    (aiohttp.InvalidURL, httpx2.UnsupportedProtocol),
    (aiohttp.ClientPayloadError, httpx2.RemoteProtocolError),
    (aiohttp.ServerDisconnectedError, httpx2.RemoteProtocolError),
    (aiohttp.ClientResponseError, httpx2.RemoteProtocolError),
    (aiohttp.ClientError, httpx2.ReadError),
    (OSError, httpx2.ReadError),
)
_TRANSLATED = tuple(source for source, _ in _TRANSLATION)


class AiohttpTransport(httpx2.AsyncBaseTransport):
    """Sends httpx2 requests through one aiohttp session, which opens with the first of them.

    An event stream is handed on as it arrives; any other body is read whole first.
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
                data=io.BytesIO(body) if len(body) > LARGE_BODY_BYTES else body,
                proxy=self._proxy,
                allow_redirects=False,
            )
            stream: httpx2.AsyncByteStream
            if response.content_type == "text/event-stream":
                stream = _Events(response)
            else:
                stream = httpx2.ByteStream(await response.read())
        except _TRANSLATED as error:
            raise _translated(error) from error
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


class _Events(httpx2.AsyncByteStream):
    """The body of an event stream, as it arrives."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._response.content.iter_any():
                yield chunk
        except _TRANSLATED as error:
            raise _translated(error) from error

    async def aclose(self) -> None:
        """Give the connection back if the stream was read to its end, else close it."""
        if not self._response.content.at_eof():
            self._response.close()


def _translated(error: Exception) -> httpx2.TransportError:
    target = next(target for source, target in _TRANSLATION if isinstance(error, source))
    return target(str(error) or type(error).__name__)


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
