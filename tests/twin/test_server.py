"""The twin as a process of its own, over real sockets."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anthropic
import click
import httpx2
import pytest

from claudeflow.cli.twin import command
from claudeflow.twin.child import twin_process
from claudeflow.twin.fault_script import parse_faults
from claudeflow.twin.headers import FAMILIES
from claudeflow.twin.server import serve
from claudeflow.twin.settings import TwinSettings
from claudeflow.twin.tiers import TIERS
from tests.twin.builders import HEADERS, a_body

COMMAND = "from claudeflow.cli.twin import command; command()"


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[httpx2.AsyncClient]:
    path = address.removeprefix("unix:")
    transport = httpx2.AsyncHTTPTransport(uds=path) if path != address else httpx2.AsyncHTTPTransport()
    base_url = "http://twin" if path != address else address
    async with httpx2.AsyncClient(transport=transport, base_url=base_url, headers=HEADERS) as client:
        yield client


async def eventually(client: httpx2.AsyncClient, calls: int) -> dict[str, object]:
    """The first line of the invoice, once the twin has noticed that many ended calls."""
    while True:
        invoice = (await client.get("/twin/invoice")).json()
        if len(invoice["lines"]) >= calls:
            line: dict[str, object] = invoice["lines"][calls - 1]
            return line


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with twin_process() as process:
        yield process.address


async def test_the_sdk_talks_to_a_served_twin(address: str) -> None:
    async with anthropic.AsyncAnthropic(api_key="k", base_url=address, max_retries=0) as client:
        message = await client.messages.create(**a_body())
        async with client.messages.stream(**a_body()) as stream:
            assert (await stream.get_final_message()).content[0].type == "text"
    assert message.stop_reason == "end_turn"


async def test_invoice_stats_and_calls_can_be_read_and_reset(address: str) -> None:
    async with connected(address) as client:
        await client.post("/twin/reset")
        for _ in range(3):
            await client.post("/v1/messages", json=a_body())
        await client.post("/v1/messages", json=a_body(model="claude-2"))
        stats = (await client.get("/twin/stats")).json()
        invoice = (await client.get("/twin/invoice", params={"since": 2})).json()
        calls = (await client.get("/twin/calls")).text.splitlines()
        wrong = await client.get("/twin/invoice", params={"since": "x"})
        missing = await client.get("/twin/nothing")

    assert stats["calls_by_status"] == {"200": 3, "404": 1}
    assert (len(invoice["lines"]), invoice["next"]) == (1, 3)
    assert invoice["total_nanousd"] == 3 * invoice["lines"][0]["cost_nanousd"]
    assert len(calls) == 4
    assert (wrong.status_code, missing.status_code) == (400, 404)


async def test_a_fault_script_can_be_sent_to_a_running_twin(address: str) -> None:
    async with connected(address) as client:
        sent = await client.post("/twin/faults", content='[[fault]]\nkind = "overloaded_529"')
        answer = await client.post("/v1/messages", json=a_body())
        wrong = await client.post("/twin/faults", json={"fault": [{"kind": "nonsense"}]})
        await client.post("/twin/reset")

    assert (sent.json(), answer.status_code) == ({"faults": 1}, 529)
    assert wrong.status_code == 400
    assert "allowed: auth_401" in wrong.json()["error"]


async def test_a_reset_reaches_the_client_as_a_broken_connection(address: str) -> None:
    async with connected(address) as client:
        await client.post("/twin/faults", content='[[fault]]\nkind = "conn_reset"')
        with pytest.raises(httpx2.ReadError):
            await client.post("/v1/messages", json=a_body())
        await client.post("/twin/faults", content='[[fault]]\nkind = "reset_mid_stream"')
        await client.post("/twin/faults", content='[[fault]]\nkind = "outage"')
        with pytest.raises(httpx2.ReadError):
            await client.get("/v1/models")
        await client.post("/twin/faults", content='[[fault]]\nkind = "reset_mid_stream"')
        for stream in (True, False):
            with pytest.raises((httpx2.ReadError, httpx2.RemoteProtocolError)):
                await client.post("/v1/messages", json=a_body(stream=stream))
        await client.post("/twin/reset")


async def test_a_client_that_leaves_is_noticed() -> None:
    settings = TwinSettings(ttft_s=3_600.0)
    with twin_process(settings) as process:
        async with connected(process.address) as client:
            async with connected(process.address) as leaver:
                leaving = asyncio.ensure_future(leaver.post("/v1/messages", json=a_body(), timeout=None))
                while not (await client.get("/twin/stats")).json()["in_flight"]:
                    continue
                leaving.cancel()
                await asyncio.gather(leaving, return_exceptions=True)
            line = await eventually(client, 1)
    assert line["ending"] == "abandoned"


async def test_a_client_that_leaves_a_stream_is_noticed() -> None:
    settings = TwinSettings(faults=parse_faults([{"kind": "stall"}]), ping_interval_s=3_600.0)
    with twin_process(settings) as process:
        async with connected(process.address) as client:
            async with client.stream("POST", "/v1/messages", json=a_body(stream=True)) as answer:
                async for data in answer.aiter_bytes():
                    if b"content_block_delta" in data:
                        break
            line = await eventually(client, 1)
    assert line["ending"] == "abandoned"


async def test_a_unix_socket_is_private_and_gone_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "twin.sock"
    with twin_process(uds=path) as process:
        assert process.address == f"unix:{path}"
        assert path.stat().st_mode & 0o777 == 0o600
        async with connected(process.address) as client:
            assert (await client.post("/v1/messages", json=a_body())).status_code == 200
    assert not path.exists()


async def test_a_server_inside_another_program_leaves_its_signals_alone(tmp_path: Path) -> None:
    path, before = tmp_path / "twin.sock", signal.getsignal(signal.SIGTERM)
    serving = asyncio.ensure_future(serve(TwinSettings(), uds=path, handle_signals=False))
    await asyncio.sleep(0)
    async with connected(f"unix:{path}") as client:
        assert (await client.post("/v1/messages", json=a_body())).status_code == 200
        assert signal.getsignal(signal.SIGTERM) is before
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)

    assert not path.exists()


def run_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", COMMAND, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


@contextmanager
def running_command(*arguments: str) -> Iterator[str]:
    process = subprocess.Popen([sys.executable, "-c", COMMAND, *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().removeprefix("twin listening on ").strip()
    finally:
        os.kill(process.pid, signal.SIGTERM)
        process.wait(10)
        process.stdout.close()


async def test_the_command_serves_what_its_options_say(tmp_path: Path) -> None:
    script = tmp_path / "faults.toml"
    script.write_text(
        '[[fault]]\nkind = "error_500"\ncalls = [2, 2]\n'
        "[[change]]\nfactor = 2\n"
        '[[consumer]]\nshare = 0.5\npool = "sonnet-5"\n'
    )
    options = [
        "--port",
        "0",
        "--rpm",
        "7",
        "--headers",
        "six",
        "--key",
        "k",
        "--faults",
        str(script),
        "--seed",
        "3",
    ]
    with running_command(*options) as address:
        async with connected(address) as client:
            first, second = [await client.post("/v1/messages", json=a_body()) for _ in range(2)]
            stranger = await client.post("/v1/messages", json=a_body(), headers={"x-api-key": "other"})
            pools = (await client.get("/twin/stats")).json()["pools"]

    assert first.headers["anthropic-ratelimit-requests-limit"] == "14"
    assert sorted(pools) == ["opus-5", "sonnet-5"]
    assert (pools["opus-5"]["requests"]["used"], pools["opus-5"]["refused"]) == (1, {"error_500": 1})
    assert pools["sonnet-5"]["requests"]["others"] > 0
    assert "anthropic-ratelimit-input-tokens-limit" not in first.headers
    assert (second.status_code, stranger.status_code) == (500, 401)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--tier", "gold"], "--tier"),
        (["--rpm", "0"], "--rpm"),
        (["--ttft-ms", "-1"], "--ttft-ms"),
        (["--burst-s", "0"], "--burst-s"),
        (["--headers", "ten"], "--headers"),
        (["--port", "1", "--uds", "x"], "--uds"),
        (["--port", "70000"], "--port"),
        (["--faults", "/nonexistent"], "--faults"),
    ],
)
def test_wrong_options_exit_with_2_and_name_the_option(arguments: list[str], named: str) -> None:
    done = run_command(*arguments)
    assert done.returncode == 2
    assert named in done.stderr


def test_a_bad_fault_script_exits_with_2_and_says_what_is_allowed(tmp_path: Path) -> None:
    script = tmp_path / "faults.toml"
    script.write_text('[[fault]]\nkind = "nonsense"\n')
    done = run_command("--faults", str(script))

    assert done.returncode == 2
    assert "--faults" in done.stderr
    assert "fault 1: kind 'nonsense' is unknown; allowed:" in done.stderr.replace("\n", " ")


def test_a_taken_port_exits_with_2_and_names_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = run_command("--port", port)
    assert done.returncode == 2
    assert f"--port {port}: cannot listen" in done.stderr


def test_the_command_offers_every_tier_and_header_set() -> None:
    choices = {one.name: one.type.choices for one in command.params if isinstance(one.type, click.Choice)}
    assert choices == {"tier": TIERS, "headers": tuple(FAMILIES)}


def test_help_shows_an_example() -> None:
    assert "claudeflow twin --port 8787" in run_command("--help").stdout
