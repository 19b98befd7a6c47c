"""Transports for the Anthropic SDK: where nobody answers, they say so in our words.

The SDK tries again as ever, and its error, which says just "Connection error.", has that as its cause.
"""

from __future__ import annotations

import httpx2

from claudeflow.client.errors import DaemonUnavailable
from claudeflow.client.http import broken
from claudeflow.client.places import Place

NOT_REACHED = (httpx2.ConnectError, httpx2.ConnectTimeout)


class Transport(httpx2.BaseTransport):
    """A transport that names the place and the way out when it is not reached."""

    def __init__(self, over: httpx2.BaseTransport, place: Place) -> None:
        self._over = over
        self._place = place

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Raises DaemonUnavailable, which the SDK chains to its own error."""
        try:
            return self._over.handle_request(request)
        except NOT_REACHED as error:
            raise unavailable(self._place, error) from error

    def close(self) -> None:
        """Close all connections."""
        self._over.close()


class AsyncTransport(httpx2.AsyncBaseTransport):
    """The same for the async client."""

    def __init__(self, over: httpx2.AsyncBaseTransport, place: Place) -> None:
        self._over = over
        self._place = place

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Raises DaemonUnavailable, which the SDK chains to its own error."""
        try:
            return await self._over.handle_async_request(request)
        except NOT_REACHED as error:
            raise unavailable(self._place, error) from error

    async def aclose(self) -> None:
        """Close all connections."""
        await self._over.aclose()


def unavailable(place: Place, error: httpx2.TransportError) -> DaemonUnavailable:
    """Nobody answers there: why, and what a person can do."""
    found = broken(error)
    return DaemonUnavailable(str(place), found.why, place.way_out(is_permitted=found.is_permitted))
