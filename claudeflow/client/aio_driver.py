"""Carries out the steps of flows, async."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from claudeflow.client import http
from claudeflow.client.steps import Answer, Ask, Broken, Give, Open, Pull, Read, Shut, Sleep

if TYPE_CHECKING:
    import httpx2


class AsyncDriver:
    """Carries out steps, async. Has at most one stream."""

    def __init__(self, client: Callable[[], httpx2.AsyncClient], source: AsyncIterator[Any]) -> None:
        self._client = client
        self._source = source
        self._stream: httpx2.Response | None = None
        self._pieces: AsyncIterator[bytes] | None = None

    async def carry_out(self, step: Ask | Open | Read | Shut | Sleep | Pull | Give) -> Any:
        """What came of a step. Raises Broken."""
        match step:
            case Ask():
                return await self._ask(step)
            case Open():
                return await self._open(step)
            case Read():
                return await self._read()
            case Shut():
                return await self.shut()
            case Sleep(seconds):
                import anyio

                return await anyio.sleep(seconds)
            case Pull():
                return await anext(self._source, None)
            case Give():
                raise AssertionError("this flow gives nothing")

    async def shut(self) -> None:
        """Close the stream, if there is one."""
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.aclose()

    async def _ask(self, step: Ask) -> Answer:
        import httpx2

        client = self._client()
        try:
            response = await client.send(http.request_of(client, step))
        except httpx2.TransportError as error:
            raise http.broken(error) from error
        return http.answer_of(response, response.content)

    async def _open(self, step: Open) -> Answer:
        import httpx2

        client = self._client()
        try:
            response = await client.send(http.request_of(client, step), stream=True)
            body = await response.aread() if response.status_code >= 400 else b""
        except httpx2.TransportError as error:
            raise http.broken(error) from error
        await self.shut()
        self._stream, self._pieces = response, response.aiter_raw()
        return http.answer_of(response, body)

    async def _read(self) -> bytes:
        import httpx2

        assert self._pieces is not None
        try:
            return await anext(self._pieces, b"")
        except (httpx2.TransportError, httpx2.StreamError) as error:
            with suppress(httpx2.TransportError):
                await self.shut()
            raise Broken(str(error)) from error
