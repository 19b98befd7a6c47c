"""A caller of `/v1/messages` that costs next to nothing: kept connections, one call at a time on each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import uvloop

from benchmarks.workload import request_body

KEPT_S = 2.0
"""How long a connection is kept that nobody uses; less than any door does."""


@dataclass(frozen=True, slots=True)
class Door:
    """Where the Messages API is spoken: a port of the loopback, or a Unix socket. `pid` answers there."""

    name: str
    pid: int
    port: int = 0
    socket: Path | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def request(self, *, stream: bool) -> bytes:
        """A whole call as bytes."""
        body = orjson.dumps({**request_body(), **({"stream": True} if stream else {})})
        headers = {
            "host": "127.0.0.1",
            "content-type": "application/json",
            "anthropic-version": "2026-10-21",
            "content-length": str(len(body)),
            **self.headers,
        }
        lines = ["POST /v1/messages HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@dataclass(frozen=True, slots=True)
class Wait:
    """How long a call took, in seconds: until the first byte of the answer's body, and until its end."""

    first_s: float
    whole_s: float


class Connection:
    """One kept connection to a door."""

    def __init__(self, door: Door, *, stream: bool) -> None:
        self._door = door
        self._request = door.request(stream=stream)
        self._used_s = time.perf_counter()

    async def open(self) -> None:
        """Connect."""
        if self._door.socket is not None:
            streams = await asyncio.open_unix_connection(str(self._door.socket))
        else:
            streams = await asyncio.open_connection("127.0.0.1", self._door.port)
        self._reader, self._writer = streams

    async def call(self) -> Wait:
        """One call. Raises RuntimeError when it is not answered with 200."""
        began_s = self._used_s = time.perf_counter()
        self._writer.write(self._request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        if head[9:12] != b"200":
            raise RuntimeError(f"{self._door.name}: {head!r} {await self._reader.read(2_000)!r}")
        _, is_sized, rest = head.partition(b"content-length:")
        if is_sized:
            await self._reader.readexactly(int(rest.partition(b"\r\n")[0]))
            whole_s = time.perf_counter() - began_s
            return Wait(whole_s, whole_s)
        first_s = 0.0
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            await self._reader.readexactly(size + 2)
            first_s = first_s or time.perf_counter() - began_s
        await self._reader.readexactly(2)
        return Wait(first_s, time.perf_counter() - began_s)

    @property
    def is_open(self) -> bool:
        """False once the door has hung up, or soon may, as with connections that nobody uses."""
        return not self._reader.at_eof() and time.perf_counter() - self._used_s < KEPT_S

    async def close(self) -> None:
        """Hang up."""
        self._writer.close()
        await self._writer.wait_closed()


def call_at_a_rate(door: Door, count: int, rate_per_s: float, *, stream: bool) -> list[Wait]:
    """So many calls at a steady rate, whether or not the earlier ones have been answered."""
    return _run(_call_at_a_rate(door, count, rate_per_s, stream=stream))


def call_without_rest(door: Door, count: int, connections: int, *, stream: bool) -> list[Wait]:
    """So many calls, always that many at once."""
    return _run(_call_without_rest(door, count, connections, stream=stream))


async def _call_at_a_rate(door: Door, count: int, rate_per_s: float, *, stream: bool) -> list[Wait]:
    free: list[Connection] = []
    waits: list[Wait] = []

    async def call() -> None:
        while free and not free[-1].is_open:
            await free.pop().close()
        connection = free.pop() if free else await _opened(door, stream=stream)
        waits.append(await connection.call())
        free.append(connection)

    free.append(await _opened(door, stream=stream))
    began_s = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            await asyncio.sleep(began_s + number / rate_per_s - time.perf_counter())
            group.create_task(call())
    for connection in free:
        await connection.close()
    return waits


async def _call_without_rest(door: Door, count: int, connections: int, *, stream: bool) -> list[Wait]:
    left, waits = iter(range(count)), list[Wait]()

    async def call_one_after_another() -> None:
        connection = await _opened(door, stream=stream)
        for _ in left:
            waits.append(await connection.call())
        await connection.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(call_one_after_another())
    return waits


async def _opened(door: Door, *, stream: bool) -> Connection:
    connection = Connection(door, stream=stream)
    await connection.open()
    return connection


def _run(calls: Coroutine[Any, Any, list[Wait]]) -> list[Wait]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(calls)
