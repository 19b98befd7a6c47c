"""The Anthropic SDK by the client, over a real daemon; and a daemon over TCP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anthropic
import pytest

from claudeflow import AsyncClaudeflow, Claudeflow, anthropic_client, async_anthropic_client
from claudeflow.client import DaemonUnavailable, NotPermitted
from claudeflow.client.errors import refusal
from claudeflow.client.sdk import CALL_TIMEOUT_S
from tests.client.conftest import NOBODY_THERE
from tests.support.daemons import MODEL
from tests.support.processes import Site

HELLO: dict[str, Any] = {
    "model": MODEL,
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Hello"}],
}


def test_its_calls_are_jobs_of_the_lane_and_workflow(flow: Claudeflow, running: Site) -> None:
    with anthropic_client(running.socket, lane="interactive", workflow="by-sdk") as client:
        message = client.messages.create(**HELLO)
    assert isinstance(message, anthropic.types.Message)
    [job] = flow.jobs(workflow="by-sdk")
    assert (job.state, job.lane) == ("succeeded", "interactive")
    assert flow.result(job)["id"] == message.id


async def test_the_async_one_as_well_and_streamed(running: Site) -> None:
    async with async_anthropic_client(running.socket, workflow="by-async-sdk") as client:
        message = await client.messages.create(**HELLO)
        async with client.messages.stream(**HELLO) as stream:
            text = "".join([piece async for piece in stream.text_stream])
    assert message.content
    assert text
    async with AsyncClaudeflow(running.socket) as flow:
        assert len([job async for job in flow.jobs(workflow="by-async-sdk")]) == 2


def test_what_the_sdk_is_told_wins(running: Site) -> None:
    with anthropic_client(running.socket, lane="bulk") as usual:
        assert usual.timeout.read == CALL_TIMEOUT_S  # type: ignore[union-attr]
        assert usual.max_retries == 5
        assert usual.default_headers["x-claudeflow-lane"] == "bulk"
    with anthropic_client(
        running.socket, lane="bulk", max_retries=0, timeout=3.0, default_headers={"x-mine": "1"}
    ) as client:
        assert (client.timeout, client.max_retries) == (3.0, 0)
        assert client.default_headers["x-mine"] == "1"
        assert client.default_headers["x-claudeflow-lane"] == "bulk"
        assert "x-claudeflow-workflow" not in client.default_headers


@asynccontextmanager
async def an_address(heard: list[bytes]) -> AsyncIterator[str]:
    """An address on loopback that keeps what it hears, and answers with a status."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        body = b'{"phase": "running"}'
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        writer.write(head.encode() + b"connection: close\r\n\r\n" + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("by_environment", [False, True])
async def test_over_tcp_a_token_says_who_asks(by_environment: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[bytes] = []
    monkeypatch.setenv("CLAUDEFLOW_TOKEN", "from-the-environment")
    token = None if by_environment else "s3cret"
    async with (
        an_address(heard) as address,
        AsyncClaudeflow(base_url=address, token=token) as flow,
    ):
        assert (await flow.status())["phase"] == "running"
        assert b"from-the-environment" not in repr(flow).encode()
    said = heard[0].lower()
    assert said.startswith(b"get /v1/status http/1.1")
    assert (b"authorization: bearer from-the-environment" in said) is by_environment
    assert (b"authorization: bearer s3cret" in said) is not by_environment
    monkeypatch.delenv("CLAUDEFLOW_TOKEN")
    with anthropic_client(base_url=address, token="s3cret") as client:
        assert client.auth_token == "s3cret"
        assert str(client.base_url).startswith(address)


@NOBODY_THERE
def test_where_no_daemon_is_the_sdks_error_has_our_words_as_its_cause(folder: Path) -> None:
    with (
        anthropic_client(folder / "none.sock", max_retries=0) as client,
        pytest.raises(anthropic.APIConnectionError) as caught,
    ):
        client.messages.create(**HELLO)
    check_cause(caught.value, folder / "none.sock")


@NOBODY_THERE
async def test_where_no_daemon_is_the_async_sdks_error_has_our_words_as_its_cause(folder: Path) -> None:
    async with async_anthropic_client(folder / "none.sock", max_retries=0) as client:
        with pytest.raises(anthropic.APIConnectionError) as caught:
            await client.messages.create(**HELLO)
    check_cause(caught.value, folder / "none.sock")


def check_cause(error: anthropic.APIConnectionError, socket: Path) -> None:
    cause = error.__cause__
    assert isinstance(cause, DaemonUnavailable)
    assert cause.place == str(socket)
    assert "No such file or directory" in str(cause)
    assert "systemctl start claudeflow" in str(cause)


def test_who_is_not_known_over_tcp_hears_where_this_client_takes_its_token() -> None:
    detail = "nobody knows who calls: over TCP show a token"
    refused = refusal(401, {"code": "unauthenticated", "detail": detail}, None)
    assert isinstance(refused, NotPermitted)
    assert str(refused).startswith(detail)
    assert "token=" in str(refused)
    assert "CLAUDEFLOW_TOKEN" in str(refused)
    assert "token=" not in str(refusal(403, {"code": "forbidden", "detail": "it may not"}, None))
