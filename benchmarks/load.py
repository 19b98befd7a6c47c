"""Producers in this process: many connections to the socket, each with one request after another."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import uvloop


class Producer:
    """One kept-alive connection to the daemon."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def open(self) -> None:
        """Connect."""
        self._reader, self._writer = await asyncio.open_unix_connection(str(self._path))

    async def post(self, request: bytes) -> None:
        """Send one prepared request and read its answer. Raises RuntimeError for an error."""
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        _, _, rest = head.lower().partition(b"content-length:")
        body = await self._reader.readexactly(int(rest.partition(b"\r\n")[0]))
        if head[9:12] not in (b"200", b"201"):
            raise RuntimeError(f"{head!r} {body!r}")

    async def close(self) -> None:
        """Hang up."""
        self._writer.close()
        await self._writer.wait_closed()


def prepared(body: bytes) -> bytes:
    """A request to submit one job, as bytes."""
    head = "POST /v1/jobs HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: "
    return f"{head}{len(body)}\r\n\r\n".encode() + body


def post_jobs(path: Path, request: bytes, count: int, producers: int) -> list[float]:
    """Submit `count` jobs from that many producers at once; how long each was waited for, in seconds."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_post_all(path, request, count, producers))


async def _post_all(path: Path, request: bytes, count: int, producers: int) -> list[float]:
    left, waits = iter(range(count)), list[float]()
    async with asyncio.TaskGroup() as group:
        for _ in range(producers):
            group.create_task(_post_some(path, request, left, waits))
    return waits


async def _post_some(path: Path, request: bytes, left: Iterable[int], waits: list[float]) -> None:
    producer = Producer(path)
    await producer.open()
    for _ in left:
        began_s = time.perf_counter()
        await producer.post(request)
        waits.append(time.perf_counter() - began_s)
    await producer.close()


def send_lines(path: Path, line: bytes, count: int, query: str, accept: str) -> None:
    """Submit the same line so many times in one request, reading while it is sent. Raises RuntimeError."""
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as sock:
        sock.connect(str(path))
        sending = threading.Thread(target=_send_body, args=(sock, line, count, query, accept))
        sending.start()
        begins = tail = sock.recv(65_536)
        while not _is_over(begins, tail) and (piece := sock.recv(1_048_576)):
            tail = (tail + piece)[-64:]
        sending.join()
    if begins[9:12] not in (b"200", b"201"):
        raise RuntimeError(repr(begins))


def _send_body(sock: socket.socket, line: bytes, count: int, query: str, accept: str) -> None:
    head = f"POST /v1/jobs{query} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-ndjson\r\n"
    size = len(line) * count
    sock.sendall(f"{head}accept: {accept}\r\nconnection: close\r\ncontent-length: {size}\r\n\r\n".encode())
    at_once = 100
    for done in range(0, count, at_once):
        sock.sendall(line * min(at_once, count - done))


def _is_over(begins: bytes, tail: bytes) -> bool:
    """Whether the last chunk has come in; an answer of a known length ends with its connection."""
    return b"chunked" in begins.lower() and tail.endswith(b"0\r\n\r\n")
