"""Batches over real sockets: large bodies, results as they arrive, and peers that break off."""

from __future__ import annotations

import asyncio
import json
import socket
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, suppress

import pytest

from claudeflow.claude.batches import BatchClient
from claudeflow.claude.client import ClaudeClient
from claudeflow.claude.settings import ClaudeSettings
from claudeflow.domain.attempt import Rejected, Transient
from claudeflow.domain.batch import BatchTrouble, RemoteBatch, ResultsBroken
from tests.claude.batch_calls import BODY, ID, a_batch, a_line, all_results, trouble
from tests.claude.calls import a_request
from tests.support.scripted import a_message, error_body

HEAD = b"HTTP/1.1 200 OK\r\nrequest-id: req_1\r\n"
BATCH = json.dumps(a_batch()).encode()
PLAIN = HEAD + b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(BATCH) + BATCH
CHUNKED = HEAD + b"content-type: application/x-jsonl\r\ntransfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"
LINE = a_line("j1-1", {"type": "succeeded", "message": a_message("SECRET " * 400)})
MANY = 20_000
MOST_OUTSTANDING_BYTES = 24 << 20
"""What the kernel's buffers on both sides may hold, and ours: less than half of all."""

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """One whole request; nothing when the client has gone."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        body = await reader.readexactly(int(lengths[0].split(b":")[1])) if lengths else b""
    except asyncio.IncompleteReadError:
        return b""
    return head + body


def says(*replies: bytes, resets: bool = False) -> Talk:
    """Answers each request with the next of these, then closes the connection."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in replies:
            if not await read_request(reader):
                return
            writer.write(reply)
            await writer.drain()
        if resets:
            writer.transport.abort()

    return talk


@asynccontextmanager
async def listening(talk: Talk) -> AsyncIterator[int]:
    """The port of a server that treats every connection in this way."""
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with suppress(ConnectionError):
            await talk(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=8 << 20)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


def settings_for(port: int) -> ClaudeSettings:
    return ClaudeSettings(base_url=f"http://127.0.0.1:{port}", attempt_timeout_s=20.0, content_timeout_s=20.0)


@asynccontextmanager
async def connected(talk: Talk) -> AsyncIterator[BatchClient]:
    """A client that talks to such a server over loopback."""
    async with listening(talk) as port:
        client = BatchClient(settings_for(port), "key")
        try:
            yield client
        finally:
            await client.aclose()


async def how_results_break(talk: Talk) -> tuple[int, str]:
    """How many results came before they broke off, and how they did."""
    count = 0

    async def read(client: BatchClient) -> None:
        nonlocal count
        async for _ in client.results(ID):
            count += 1

    async with connected(talk) as client:
        with pytest.raises(ResultsBroken) as broken:
            await read(client)
    found = broken.value.trouble
    assert "SECRET" not in str(found)
    assert "\n" not in found.failure.error.message, "words of ours, and no story of a parser"
    return count, found.failure.error.type


def lost(value: object) -> BatchTrouble:
    found = trouble(value)
    assert isinstance(found.failure, Transient)
    assert found.failure.error.type == "connection_error"
    return found


async def test_one_connection_serves_all_kinds_of_requests() -> None:
    connections = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await says(PLAIN, PLAIN, CHUNKED + chunk(LINE) + END, PLAIN)(reader, writer)

    async with connected(talk) as client:
        assert isinstance(await client.create(BODY), RemoteBatch)
        assert isinstance(await client.retrieve(ID), RemoteBatch)
        assert len(await all_results(client)) == 1
        assert isinstance(await client.cancel(ID), RemoteBatch)
    assert connections == 1


async def test_a_large_batch_arrives_whole() -> None:
    body = b'{"requests":[' + b" " * (24 << 20) + b"]}"
    arrived: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.append(await read_request(reader))
        writer.write(PLAIN)

    async with connected(talk) as client:
        assert isinstance(await client.create(body), RemoteBatch)
    assert arrived[0].endswith(b"\r\n\r\n" + body)


async def test_a_large_batch_is_sent_without_a_copy_of_it() -> None:
    body = b" " * (32 << 20)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        left = len(body)
        while left:
            left -= len(await reader.read(1 << 16))
        writer.write(PLAIN)

    async with connected(talk) as client:
        tracemalloc.start()
        try:
            assert isinstance(await client.create(body), RemoteBatch)
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak_bytes < len(body) // 4


async def test_a_batch_that_is_refused_while_it_is_sent_did_not_arrive() -> None:
    said = json.dumps(error_body("request_too_large", "too large")).encode()
    head = b"HTTP/1.1 413 No\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(said)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head + said)
        writer.write_eof()
        while await reader.read(1 << 16):
            pass

    async with connected(talk) as client:
        found = trouble(await client.create(b" " * (32 << 20)))
    assert isinstance(found.failure, Rejected)
    assert not found.may_have_arrived


async def test_a_closed_port_means_that_nothing_arrived() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        client = BatchClient(settings_for(taken.getsockname()[1]), "key")
        found = lost(await client.create(BODY))
        await client.aclose()
    assert not found.may_have_arrived


@pytest.mark.parametrize("resets", [True, False], ids=["reset", "closed"])
@pytest.mark.parametrize("begun", [b"", HEAD, PLAIN[:-20]], ids=["no answer", "half a head", "half a body"])
async def test_a_create_whose_answer_is_lost_may_have_arrived(begun: bytes, resets: bool) -> None:
    async with connected(says(begun, resets=resets)) as client:
        assert lost(await client.create(BODY)).may_have_arrived


async def test_a_create_that_is_cut_off_while_it_is_sent_may_have_arrived() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()

    async with connected(talk) as client:
        assert lost(await client.create(b" " * (32 << 20))).may_have_arrived


@pytest.mark.parametrize(
    "content_type",
    [
        "application/x-jsonl",
        "application/x-jsonl; charset=utf-8",
        "application/jsonl",
        "application/x-ndjson",
        "application/binary",
        "binary/octet-stream",
        "application/octet-stream",
        None,
    ],
)
async def test_a_result_is_handed_on_before_the_next_is_sent(content_type: str | None) -> None:
    taken = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        named = f"content-type: {content_type}\r\n".encode() if content_type else b""
        writer.write(CHUNKED.replace(b"content-type: application/x-jsonl\r\n", named) + chunk(LINE))
        await taken.wait()
        writer.write(chunk(LINE) + END)

    count = 0
    async with connected(talk) as client:
        async for _ in client.results(ID):
            count += 1
            taken.set()
    assert count == 2


async def test_many_results_never_fill_the_memory() -> None:
    sent_bytes = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent_bytes
        await read_request(reader)
        writer.write(CHUNKED)
        for _ in range(MANY // 10):
            writer.write(chunk(LINE * 10))
            await writer.drain()
            sent_bytes += len(LINE) * 10
        writer.write(END)

    count = most_outstanding_bytes = 0
    async with connected(talk) as client:
        async for _ in client.results(ID):
            count += 1
            most_outstanding_bytes = max(most_outstanding_bytes, sent_bytes - count * len(LINE))
    assert count == MANY
    assert most_outstanding_bytes < MOST_OUTSTANDING_BYTES < MANY * len(LINE) // 2


@pytest.mark.parametrize("resets", [True, False], ids=["reset", "closed"])
@pytest.mark.parametrize("begun", [LINE, LINE + LINE[:50]], ids=["line end", "mid-line"])
async def test_results_that_are_cut_off_are_broken(begun: bytes, resets: bool) -> None:
    assert (await how_results_break(says(CHUNKED + chunk(begun), resets=resets)))[1] == "connection_error"
    sized = HEAD + b"content-type: application/x-jsonl\r\ncontent-length: %d\r\n\r\n" % (len(LINE) * 3)
    assert (await how_results_break(says(sized + begun, resets=resets)))[1] == "connection_error"


async def test_results_before_the_cut_are_given() -> None:
    assert await how_results_break(says(CHUNKED + chunk(LINE * 3))) == (3, "connection_error")


async def test_results_that_end_cleanly_in_mid_line_are_truncated() -> None:
    begun = CHUNKED + chunk(LINE + LINE[:50]) + END
    assert await how_results_break(says(begun)) == (1, "truncated_stream")


async def test_who_leaves_the_results_early_gets_a_new_connection() -> None:
    gone = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (await read_request(reader)).split(b" ")[1].endswith(b"/results"):
            writer.write(CHUNKED + chunk(LINE))
            await reader.read()
            gone.set()
        else:
            writer.write(PLAIN)

    async with connected(talk) as client:
        async with aclosing(client.results(ID)) as items:
            await anext(items)
        assert isinstance(await client.retrieve(ID), RemoteBatch)
        await gone.wait()


ODD = (
    CHUNKED + chunk(LINE) + b"SECRET no chunk\r\n",
    HEAD + b"content-length: SECRET\r\n\r\n",
    b"SECRET no HTTP\r\n\r\n",
    PLAIN.replace(b"200", b"SECRET"),
)


@pytest.mark.parametrize("odd", ODD, ids=["chunk", "length", "line", "status"])
async def test_what_cannot_be_read_is_not_quoted(odd: bytes) -> None:
    assert (await how_results_break(says(odd)))[1] == "connection_error"
    async with connected(says(odd)) as client:
        value = await client.retrieve(ID)
    assert "SECRET" not in str(lost(value))
    async with listening(says(odd)) as port:
        messages = ClaudeClient(settings_for(port), "key")
        reply = await messages.send(a_request())
        await messages.aclose()
    assert isinstance(reply.outcome, Transient)
    assert "SECRET" not in reply.outcome.error.message
