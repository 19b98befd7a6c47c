"""The door under clients that are slow, greedy or mad: they come to an end, and others are served."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from claudeflow.domain.door_events import DoorRefused
from claudeflow.domain.events import Event
from claudeflow.domain.job import JobId
from claudeflow.intake.http.door.protocol import MOST_PIPELINED
from claudeflow.intake.http.door.rules import Door
from claudeflow.intake.http.door.settings import HttpSettings
from tests.intake.builders import a_catalog, a_job, raw
from tests.intake.raw_clients import HEALTHY, connected
from tests.intake.serving import Served, serving
from tests.support.daemons import until
from tests.support.fake_desk import FakeDesk

ROOMY = HttpSettings()
POST = b"POST /v1/jobs HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"


@asynccontextmanager
async def a_door(
    folder: Path, settings: HttpSettings = ROOMY, events: list[Event] | None = None
) -> AsyncIterator[tuple[Served, Door]]:
    told = [] if events is None else events
    door = Door(settings, told.append)
    async with serving(FakeDesk(a_catalog()), folder, door=door) as served:
        yield served, door
        assert served.troubles == []


async def test_a_head_that_never_ends_is_too_slow(tmp_path: Path) -> None:
    events: list[Event] = []
    async with (
        a_door(tmp_path, replace(ROOMY, header_timeout_s=0.2), events) as (served, _),
        connected(served.path) as slow,
        connected(served.path) as other,
    ):
        await slow.say(b"GET /-/healthy HTTP/1.1\r\nx-a: 1\r\n")
        trickling = asyncio.create_task(_trickle(slow.say))
        assert await slow.code() == (408, "too_slow")
        await slow.rest()
        trickling.cancel()
        assert await other.is_served()
        assert [event.code for event in events if isinstance(event, DoorRefused)] == ["too_slow"]


async def _trickle(say: Callable[[bytes], object]) -> None:
    while True:
        await say(b"x-b: 1\r\n")  # type: ignore[misc]
        await asyncio.sleep(0.01)


async def test_empty_lines_do_not_keep_a_connection_open(tmp_path: Path) -> None:
    async with (
        a_door(tmp_path, replace(ROOMY, header_timeout_s=0.2)) as (served, _),
        connected(served.path) as mad,
    ):
        await mad.say(b"\r\n")
        assert await mad.code() == (408, "too_slow")


async def test_a_connection_on_which_nothing_is_ever_said_is_closed(tmp_path: Path) -> None:
    async with (
        a_door(tmp_path, replace(ROOMY, keep_alive_s=1)) as (served, door),
        connected(served.path) as silent,
        connected(served.path) as idle,
    ):
        assert await idle.is_served()
        assert await silent.rest() == b""
        assert await idle.rest() == b""
        await until(lambda: door.connections == 0)


@pytest.mark.parametrize("in_pieces", [True, False])
@pytest.mark.parametrize("what", ["one header", "many headers", "target"])
async def test_a_head_that_is_too_large_is_refused(tmp_path: Path, what: str, in_pieces: bool) -> None:
    head = {
        "one header": b"GET /-/healthy HTTP/1.1\r\nx-a: " + b"a" * 100_000,
        "many headers": b"GET /-/healthy HTTP/1.1\r\n" + b"x-a: aaaaaaaaaaaaaaaa\r\n" * 5_000,
        "target": b"GET /-/healthy?" + b"a" * 100_000 + b" HTTP/1.1\r\n",
    }[what]
    async with a_door(tmp_path) as (served, _), connected(served.path) as greedy:
        whole = head + b"\r\n\r\n"
        pieces = [whole[at : at + 900] for at in range(0, len(whole), 900)] if in_pieces else [whole]
        await greedy.say(*pieces)
        assert await greedy.code() == (431, "head_too_large")
        await greedy.rest()
        assert (await served.client.get("/-/healthy")).status_code == 200


async def test_a_head_that_grows_without_end_is_not_waited_for(tmp_path: Path) -> None:
    async with a_door(tmp_path) as (served, _), connected(served.path) as greedy:
        await greedy.say(b"GET /-/healthy HTTP/1.1\r\nx-a: ", *[b"a" * 900] * 100)
        assert await greedy.code() == (431, "head_too_large")


@pytest.mark.parametrize("at_once", [1_000, 20_000])
async def test_a_head_just_below_the_bound_is_read(tmp_path: Path, at_once: int) -> None:
    async with a_door(tmp_path) as (served, _), connected(served.path) as client:
        for name in (b"x-a: " + b"a" * 16_000, b"\r\n".join([b"x-a: " + b"a" * 100] * 150)):
            head = b"GET /-/healthy HTTP/1.1\r\n" + name + b"\r\n\r\n"
            await client.say(*[head[at : at + at_once] for at in range(0, len(head), at_once)])
            assert (await client.answer())[0] == 200


@pytest.mark.parametrize("framing", [b"content-length: 1000\r\n\r\n", b"transfer-encoding: chunked\r\n\r\n"])
async def test_a_body_that_never_comes_is_too_slow(tmp_path: Path, framing: bytes) -> None:
    async with (
        a_door(tmp_path, replace(ROOMY, body_timeout_s=0.2)) as (served, _),
        connected(served.path) as slow,
    ):
        await slow.say(POST + framing)
        assert await slow.code() == (408, "too_slow")
        await slow.rest()
        assert served.desk.jobs == {}


async def test_bytes_of_the_body_buy_time(tmp_path: Path) -> None:
    body = raw(a_job())
    settings = replace(ROOMY, body_timeout_s=0.2, body_bytes_per_s=1)
    async with a_door(tmp_path, settings) as (served, door), connected(served.path) as client:
        await client.say(POST + b"content-length: %d\r\n\r\n" % len(body), body[:-1])
        await until(lambda: door.connections == 1)
        looks = 0
        while looks < 6:
            await asyncio.sleep(0.1)
            looks += 1
        await client.say(body[-1:])
        assert (await client.answer())[0] == 201


async def test_a_body_of_which_nothing_is_kept_takes_its_time(tmp_path: Path) -> None:
    settings = replace(ROOMY, body_timeout_s=0.2, body_bytes_per_s=1_000_000)
    head = POST.replace(b"/v1/jobs", b"/v1/jobs?partial=true").replace(b"/json", b"/x-ndjson")
    async with a_door(tmp_path, settings) as (served, _), connected(served.path) as client:
        await client.say(head + b"transfer-encoding: chunked\r\n\r\n")
        for _ in range(3):
            line = raw(a_job()) + b"\n"
            await client.say(b"%x\r\n%b\r\n" % (len(line), line))
            await asyncio.sleep(0.3)
        await client.say(b"0\r\n\r\n")
        status, answer = await client.answer()
        assert (status, answer["submitted"]) == (201, 3)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00\xff\xfe" * 50 + b"\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET http:// HTTP/1.1\r\n\r\n",
        b"GET /\xc3\xa4 HTTP/1.1\r\nhost: x\r\n\r\n",
        b"CONNECT x:80 HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /-/healthy HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"GET /-/healthy HTTP/1.1\r\nbad header\r\n\r\n",
    ],
)
async def test_garbage_is_answered_and_ends_the_connection(tmp_path: Path, garbage: bytes) -> None:
    async with a_door(tmp_path) as (served, _), connected(served.path) as mad:
        await mad.say(garbage)
        assert await mad.code() == (400, "malformed_request")
        assert await mad.rest() == b""
        assert (await served.client.get("/-/healthy")).status_code == 200


async def test_garbage_in_a_body_ends_the_request(tmp_path: Path) -> None:
    async with a_door(tmp_path) as (served, _), connected(served.path) as mad:
        await mad.say(POST + b"transfer-encoding: chunked\r\n\r\n", b"2\r\n{}\r\nzz\r\n")
        assert await mad.code() == (400, "malformed_request")
        assert await mad.rest() == b""
        assert served.desk.jobs == {}


@pytest.mark.parametrize("around", [b"1;" + b"x" * 300 + b"\r\n{\r\n", b"0\r\n" + b"x-a: b\r\n" * 500])
async def test_a_body_with_more_around_it_than_in_it_is_refused(tmp_path: Path, around: bytes) -> None:
    async with a_door(tmp_path) as (served, _), connected(served.path) as mad:
        await mad.say(POST + b"transfer-encoding: chunked\r\n\r\n")
        await mad.say(*[around[at : at + 1000] for at in range(0, len(around), 1000)] * 300)
        assert await mad.code() == (400, "malformed_request")


UPGRADE = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAEA\r\n"


@pytest.mark.parametrize("step", [1, 100_000])
async def test_an_upgrade_is_answered_as_if_it_had_not_been_asked_for(tmp_path: Path, step: int) -> None:
    job = raw(a_job())
    posted = POST + UPGRADE + b"content-length: %d\r\n\r\n" % len(job) + job
    chunked = POST + UPGRADE + b"transfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(job), job)
    said = HEALTHY[:-2] + UPGRADE + b"\r\n" + posted + chunked + HEALTHY
    async with a_door(tmp_path) as (served, _), connected(served.path) as client:
        await client.say(*[said[at : at + step] for at in range(0, len(said), step)])
        assert [(await client.answer())[0] for _ in range(4)] == [200, 201, 201, 200]
        assert await client.is_served()


async def test_there_are_no_tunnels(tmp_path: Path) -> None:
    async with a_door(tmp_path) as (served, _), connected(served.path) as client:
        await client.say(b"CONNECT / HTTP/1.1\r\nhost: x\r\n\r\n" + HEALTHY)
        assert await client.code() == (400, "malformed_request")


async def test_pipelined_requests_are_answered_in_their_order(tmp_path: Path) -> None:
    async with a_door(tmp_path) as (served, _), connected(served.path) as client:
        paths = [b"/v1/jobs/%d" % number for number in range(1, MOST_PIPELINED + 1)]
        await client.say(b"".join(b"GET %b HTTP/1.1\r\nhost: x\r\n\r\n" % path for path in paths))
        for number in range(1, MOST_PIPELINED + 1):
            assert f"the id {number}" in (await client.answer())[1]["detail"]


async def test_more_pipelined_requests_than_may_wait_are_not_read(tmp_path: Path) -> None:
    async with a_door(tmp_path) as (served, door), connected(served.path) as greedy:
        await greedy.say(b"GET /v1/jobs/1 HTTP/1.1\r\nhost: x\r\n\r\n" * 10_000)
        assert await greedy.code() == (404, "job_not_found")
        assert await greedy.rest() == b""
        await until(lambda: door.connections == 0)
        assert (await served.client.get("/-/healthy")).status_code == 200


async def test_garbage_behind_a_request_does_not_spoil_its_answer(tmp_path: Path) -> None:
    events: list[Event] = []
    async with a_door(tmp_path, ROOMY, events) as (served, _), connected(served.path) as client:
        await served.client.post("/v1/jobs", json=a_job())
        await client.say(b"GET /v1/jobs/1?wait=20 HTTP/1.1\r\nhost: x\r\n\r\n")
        await served.desk.waiting.wait()
        await client.say(b"\x00\x00garbage")
        await until(lambda: len(events) == 1)
        await served.desk.finish(JobId(1), b"{}")
        status, job = await client.answer()
        assert (status, job["state"]) == (200, "succeeded")
        assert await client.rest() == b""


async def test_an_answer_that_nobody_reads_is_dropped(tmp_path: Path) -> None:
    events: list[Event] = []
    settings = replace(ROOMY, answer_timeout_s=0.3)
    async with a_door(tmp_path, settings, events) as (served, door):
        await served.desk.submit([])
        for _ in range(100):
            await served.client.post("/v1/jobs", json=a_job(metadata={"k": "v" * 8_000}))
        deaf = socket.socket(socket.AF_UNIX)
        deaf.connect(str(served.path))
        deaf.sendall(b"GET /v1/jobs?limit=100 HTTP/1.1\r\nhost: x\r\n\r\n" * 3)
        await until(lambda: any(isinstance(event, DoorRefused) for event in events))
        await until(lambda: door.connections == 1)
        assert (await served.client.get("/-/healthy")).status_code == 200
        deaf.close()


async def test_a_user_has_only_so_many_connections(tmp_path: Path) -> None:
    events: list[Event] = []
    settings = replace(ROOMY, max_connections_per_user=5)
    async with a_door(tmp_path, settings, events) as (served, door), AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connected(served.path)) for _ in range(5)]
        await until(lambda: door.connections == 5)
        for _ in range(20):
            async with connected(served.path) as refused:
                assert await refused.code() == (503, "too_many_connections")
                assert await refused.rest() == b""
        assert [await client.is_served() for client in clients] == [True] * 5
        clients[0].sock.close()
        await until(lambda: door.connections == 4)
        async with connected(served.path) as again:
            assert await again.is_served()
        told = [event for event in events if isinstance(event, DoorRefused)]
        assert [(event.code, event.times) for event in told] == [("too_many_connections", 1)]


async def test_all_users_together_have_only_so_many_connections(tmp_path: Path) -> None:
    settings = replace(ROOMY, max_connections=8)
    async with a_door(tmp_path, settings) as (served, door), AsyncExitStack() as stack:
        for _ in range(8):
            await stack.enter_async_context(connected(served.path))
        await until(lambda: door.connections == 8)
        async with connected(served.path) as refused:
            assert await refused.code() == (503, "too_many_connections")


async def test_half_requests_and_resets_leave_nothing_behind(tmp_path: Path) -> None:
    pieces = [b"", b"G", HEALTHY[:30], HEALTHY, POST, POST + b"content-length: 100\r\n\r\n{", b"\xff" * 999]
    async with a_door(tmp_path) as (served, door):
        for number in range(300):
            client = socket.socket(socket.AF_UNIX)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.connect(str(served.path))
            client.sendall(pieces[number % len(pieces)])
            client.close()
        await until(lambda: door.connections == 0)
        assert (await served.client.get("/-/healthy")).status_code == 200
        assert served.desk.jobs == {}


async def test_a_closed_connection_does_not_wait_for_ever_for_its_reader(tmp_path: Path) -> None:
    async with a_door(tmp_path, replace(ROOMY, answer_timeout_s=0.3)) as (served, door):
        for _ in range(100):
            await served.client.post("/v1/jobs", json=a_job(metadata={"k": "v" * 8_000}))
        with socket.socket(socket.AF_UNIX) as deaf:
            deaf.connect(str(served.path))
            deaf.sendall(b"GET /v1/jobs?limit=100 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            await until(lambda: door.connections == 2)
            await until(lambda: door.connections == 1)
