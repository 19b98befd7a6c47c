"""Carries out the steps of flows, blocking."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from claudeflow.client import http
from claudeflow.client.steps import Answer, Ask, Broken, Give, Open, Pull, Read, Shut, Sleep

if TYPE_CHECKING:
    import httpx2


class Driver:
    """Carries out steps, blocking. Has at most one stream."""

    def __init__(self, client: Callable[[], httpx2.Client], source: Iterator[Any]) -> None:
        self._client = client
        self._source = source
        self._stream: httpx2.Response | None = None
        self._pieces: Iterator[bytes] = iter(())

    def carry_out(self, step: Ask | Open | Read | Shut | Sleep | Pull | Give) -> Any:
        """What came of a step. Raises Broken."""
        match step:
            case Ask():
                return self._ask(step)
            case Open():
                return self._open(step)
            case Read():
                return self._read()
            case Shut():
                return self.shut()
            case Sleep(seconds):
                return time.sleep(seconds)
            case Pull():
                return next(self._source, None)
            case Give():
                raise AssertionError("this flow gives nothing")

    def shut(self) -> None:
        """Close the stream, if there is one."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def _ask(self, step: Ask) -> Answer:
        import httpx2

        client = self._client()
        try:
            response = client.send(http.request_of(client, step))
        except httpx2.TransportError as error:
            raise http.broken(error) from error
        return http.answer_of(response, response.content)

    def _open(self, step: Open) -> Answer:
        import httpx2

        client = self._client()
        try:
            response = client.send(http.request_of(client, step), stream=True)
            body = response.read() if response.status_code >= 400 else b""
        except httpx2.TransportError as error:
            raise http.broken(error) from error
        self.shut()
        self._stream, self._pieces = response, response.iter_raw()
        return http.answer_of(response, body)

    def _read(self) -> bytes:
        import httpx2

        try:
            return next(self._pieces, b"")
        except (httpx2.TransportError, httpx2.StreamError) as error:
            with suppress(httpx2.TransportError):
                self.shut()
            raise Broken(str(error)) from error
