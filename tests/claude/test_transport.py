"""Over real sockets: what aiohttp makes of a peer that resets, closes early or talks nonsense."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from claudeflow.claude.client import ClaudeClient
from claudeflow.claude.settings import ClaudeSettings
from claudeflow.domain.attempt import Reply, Succeeded, Transient
from claudeflow.domain.prompt import Request
from tests.claude.calls import a_request
from tests.support.scripted import a_message, message_end, message_start, text_block

HEAD = b"HTTP/1.1 200 OK\r\nrequest-id: req_1\r\n"
MESSAGE = json.dumps(a_message()).encode()
PLAIN = HEAD + b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(MESSAGE) + MESSAGE
STREAM = HEAD + b"content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"

Ending = Callable[[asyncio.StreamWriter], None]


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def reset(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


class Peer:
    """A raw server: reads each request whole, then does as it is told."""

    def __init__(self, *replies: bytes, then: Ending | None = None, hangs: bool = False) -> None:
        self._replies = list(replies)
        self._then = then
        self._hangs = hangs
        self._writers: list[asyncio.StreamWriter] = []
        self.requests: list[bytes] = []

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        while self._replies and (request := await self._request(reader)):
            self.requests.append(request)
            writer.write(self._replies.pop(0))
            await writer.drain()
        if self._hangs:
            await reader.read()
        if self._then is not None:
            self._then(writer)
        writer.close()

    @property
    def connections(self) -> int:
        return len(self._writers)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[int]:
        """The port it listens on."""
        server = await asyncio.start_server(self.talk, "127.0.0.1", 0, limit=8 << 20)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for writer in self._writers:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()

    async def _request(self, reader: asyncio.StreamReader) -> bytes:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return b""
        length = next(
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length")
        )
        return head + await reader.readexactly(length)


@asynccontextmanager
async def connected(peer: Peer, attempt_timeout_s: float = 10.0) -> AsyncIterator[ClaudeClient]:
    """A client that talks to the peer over loopback."""
    async with peer.listening() as port:
        settings = ClaudeSettings(base_url=f"http://127.0.0.1:{port}", attempt_timeout_s=attempt_timeout_s)
        client = ClaudeClient(settings, "key")
        try:
            yield client
        finally:
            await client.aclose()


async def reply_of(peer: Peer, request: Request) -> Reply:
    async with connected(peer) as client:
        return await client.send(request)


def failure_type(reply: Reply) -> str:
    assert isinstance(reply.outcome, Transient)
    return reply.outcome.error.type


async def test_one_connection_serves_many_calls() -> None:
    whole = STREAM + chunk(message_start()) + chunk(text_block("Hello there")) + chunk(message_end()) + END
    peer = Peer(PLAIN, whole, PLAIN)
    async with connected(peer) as client:
        replies = [await client.send(a_request(stream=stream)) for stream in (False, True, False)]
    assert [reply.outcome for reply in replies] == [Succeeded("end_turn")] * 3
    assert [json.loads(reply.message or b"") for reply in replies] == [a_message()] * 3
    assert peer.connections == 1


async def test_cookies_are_neither_kept_nor_sent_back() -> None:
    baked = PLAIN.replace(b"request-id", b"set-cookie: _cfuvid=abc; HttpOnly; Path=/\r\nrequest-id")
    peer = Peer(baked, baked)
    async with connected(peer) as client:
        for _ in range(2):
            await client.send(a_request())
    assert not any(b"cookie" in request.lower() for request in peer.requests)


async def test_a_large_body_arrives_whole() -> None:
    text = "ä" * (2 << 20)
    peer = Peer(PLAIN)
    reply = await reply_of(peer, a_request(system=text))
    assert reply.outcome == Succeeded("end_turn")
    body = json.loads(peer.requests[0].split(b"\r\n\r\n", 1)[1])
    assert body["system"] == text


async def test_a_closed_port_means_that_nothing_was_sent() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    client = ClaudeClient(ClaudeSettings(base_url=f"http://127.0.0.1:{port}"), "key")
    reply = await client.send(a_request())
    await client.aclose()
    assert failure_type(reply) == "connection_error"
    assert not reply.sent
    assert reply.usage_known


@pytest.mark.parametrize("then", [reset, None], ids=["reset", "closed"])
@pytest.mark.parametrize("begun", [b"", HEAD, PLAIN[:-20]], ids=["no answer", "half a head", "half a body"])
async def test_a_connection_lost_after_sending_may_have_cost_something(
    begun: bytes, then: Ending | None
) -> None:
    reply = await reply_of(Peer(begun, then=then), a_request())
    assert failure_type(reply) == "connection_error"
    assert reply.sent
    assert not reply.usage_known


async def test_a_stream_that_is_reset_keeps_what_was_seen() -> None:
    begun = STREAM + chunk(message_start() + text_block("Hel"))
    reply = await reply_of(Peer(begun, then=reset), a_request(stream=True))
    assert failure_type(reply) == "connection_error"
    assert reply.usage.input_tokens == 12
    assert not reply.usage_known


async def test_a_chunked_stream_that_is_cut_off_is_a_lost_connection() -> None:
    begun = STREAM + chunk(message_start() + text_block("Hel"))
    reply = await reply_of(Peer(begun), a_request(stream=True))
    assert failure_type(reply) == "connection_error"
    assert not reply.usage_known


async def test_a_stream_that_ends_cleanly_too_early_is_truncated() -> None:
    begun = STREAM + chunk(message_start() + text_block("Hel")) + END
    reply = await reply_of(Peer(begun), a_request(stream=True))
    assert failure_type(reply) == "truncated_stream"
    assert reply.usage.input_tokens == 12
    assert not reply.usage_known


async def test_events_may_be_cut_anywhere() -> None:
    whole = message_start() + text_block("Hello ", "there") + message_end()
    pieces = b"".join(chunk(whole[at : at + 7]) for at in range(0, len(whole), 7))
    reply = await reply_of(Peer(STREAM + pieces + END), a_request(stream=True))
    assert json.loads(reply.message or b"") == a_message()


async def test_an_answer_that_is_no_http_is_a_connection_problem() -> None:
    reply = await reply_of(Peer(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), a_request())
    assert failure_type(reply) == "connection_error"
    assert reply.sent


async def test_a_slow_answer_runs_into_the_deadline_and_frees_its_connection() -> None:
    peer = Peer(b"", hangs=True)
    async with connected(peer, attempt_timeout_s=0.05) as client:
        reply = await client.send(a_request())
    assert failure_type(reply) == "timeout"
    assert reply.sent
    assert not reply.usage_known


async def test_proxies_of_the_environment_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    peer = Peer(PLAIN)
    async with peer.listening() as port:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
        monkeypatch.delenv("no_proxy", raising=False)
        client = ClaudeClient(ClaudeSettings(base_url="http://api.invalid"), "key")
        reply = await client.send(a_request())
        await client.aclose()
    assert reply.outcome == Succeeded("end_turn")
    assert peer.requests[0].startswith(b"POST http://api.invalid/v1/messages ")
