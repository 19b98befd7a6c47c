"""Clients that say what they like on a Unix socket, and those that mean no harm."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

PATIENCE_S = 20.0
HEALTHY = b"GET /-/healthy HTTP/1.1\r\nhost: x\r\n\r\n"


@dataclass
class RawClient:
    """One connection. Whatever does not come within 20 s raises TimeoutError."""

    sock: socket.socket
    received: bytearray = field(default_factory=bytearray)

    async def say(self, *pieces: bytes) -> None:
        """Send bytes as they are; a peer that has hung up does not matter."""
        for piece in pieces:
            try:
                await asyncio.get_running_loop().sock_sendall(self.sock, piece)
            except ConnectionError:
                return

    async def answer(self) -> tuple[int, Any]:
        """Status and content of the next answer."""
        async with asyncio.timeout(PATIENCE_S):
            while b"\r\n\r\n" not in self.received:
                await self._more()
            head, _, _ = bytes(self.received).partition(b"\r\n\r\n")
            lines = [line.split(": ", 1) for line in head.decode().split("\r\n")[1:]]
            length = next(int(value) for name, value in lines if name == "content-length")
            whole = len(head) + 4 + length
            while len(self.received) < whole:
                await self._more()
        body = bytes(self.received[len(head) + 4 : whole])
        del self.received[:whole]
        return int(head.split(b" ")[1]), orjson.loads(body)

    async def until(self, mark: bytes) -> bytes:
        """What comes up to the mark, and with it."""
        while mark not in self.received:
            await self._more()
        return await self.exactly(self.received.index(mark) + len(mark))

    async def exactly(self, size: int) -> bytes:
        """The next so many bytes."""
        while len(self.received) < size:
            await self._more()
        piece = bytes(self.received[:size])
        del self.received[:size]
        return piece

    async def code(self) -> tuple[int, str]:
        """Status and code of the next answer, a problem document."""
        status, problem = await self.answer()
        assert problem["status"] == status
        return status, problem["code"]

    async def rest(self) -> bytes:
        """Everything until the other side closes."""
        async with asyncio.timeout(PATIENCE_S):
            with contextlib.suppress(ConnectionError):
                while True:
                    await self._more()
        return bytes(self.received)

    async def is_served(self) -> bool:
        """Whether an ordinary request is answered."""
        await self.say(HEALTHY)
        return (await self.answer()) == (200, {"healthy": True})

    async def _more(self) -> None:
        piece = await asyncio.get_running_loop().sock_recv(self.sock, 65_536)
        if not piece:
            raise ConnectionError("the other side has closed")
        self.received += piece


@asynccontextmanager
async def connected(path: Path) -> AsyncIterator[RawClient]:
    """A connection while the block lasts."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, str(path))
        yield RawClient(sock)
