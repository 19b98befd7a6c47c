"""The stream of events over the real server and a real socket."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.requests import Request

from claudeflow.domain import events as ev
from claudeflow.domain.event_kinds import KINDS, name_of
from claudeflow.domain.job import JobId, JobState
from claudeflow.intake.desks.access import NewToken
from claudeflow.intake.http.handlers.events import EventHandlers
from claudeflow.intake.http.lapse import AGAIN
from claudeflow.observe.event_log import EventLog
from claudeflow.policy.access.grants import Grant, Grantee
from claudeflow.policy.access.settings import GrantSettings, RoleName
from tests.intake.builders import NOW_MS, a_catalog
from tests.intake.serving import Served, serving
from tests.observe.happenings import ONE_OF_EACH, SECRETS, a_call, an_end
from tests.support.fake_desk import FakeDesk

PATIENCE_S = 20.0
OPENED = ev.PoolOpened("haiku-5.5")


class Stream:
    """One stream of events, frame by frame."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def frame(self) -> dict[str, str]:
        """The fields of the next frame; a comment is the field ``."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(PATIENCE_S):
            async for line in self._lines:
                if not line:
                    return fields
                name, _, value = line.partition(": ")
                fields[name] = value
        return fields

    async def event(self) -> dict[str, Any]:
        """The data of the next event."""
        while "data" not in (fields := await self.frame()):
            assert fields, "the stream has ended"
        content: dict[str, Any] = json.loads(fields["data"])
        assert content["event"] == fields["event"]
        return content

    async def ended(self) -> bool:
        return await self.frame() == {}


@asynccontextmanager
async def following(served: Served, query: str = "", **headers: str) -> AsyncIterator[Stream]:
    async with served.client.stream("GET", f"/v1/events{query}", headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        yield Stream(response)


@asynccontextmanager
async def a_desk(folder: Path, kept: int = 100) -> AsyncIterator[Served]:
    desk = FakeDesk(a_catalog(), now_ms=NOW_MS)
    desk.events = EventLog("fake", lambda: NOW_MS, kept)
    async with serving(desk, folder) as served:
        yield served


def last_id(log: EventLog, number: int) -> dict[str, str]:
    return {"last-event-id": f"{log.instance}-{number}"}


async def test_every_kind_of_event_is_told_without_prompts_answers_keys_or_prose(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as served, following(served) as stream:
        assert stream.response.headers["content-type"] == "text/event-stream"
        assert await stream.frame() == {"retry": "1000", "id": "fake-0"}
        the_end = [event for event in ONE_OF_EACH if isinstance(event, ev.DaemonStopped)]
        before = [event for event in ONE_OF_EACH if event not in the_end]
        for number, event in enumerate([*before, *the_end], start=1):
            served.desk.events.apply(event)
            frame = await stream.frame()
            assert (frame["id"], frame["event"]) == (f"fake-{number}", name_of(event))
            assert json.loads(frame["data"])["at"] == "2026-11-22T09:00:00.000Z"
            for secret in SECRETS.values():
                assert secret not in frame["data"]


async def test_an_event_has_its_fields_with_their_units(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as served, following(served) as stream:
        served.desk.events.apply(an_end(JobState.FAILED, submitted_by="maria"))
        assert await stream.event() == {
            "at": "2026-11-22T09:00:00.000Z",
            "event": "job_finished",
            "job_id": 7,
            "lane": "bulk",
            "workflow": "triage",
            "state": "failed",
            "error": {
                "type": "invalid_request_error",
                "code": "too_long",
                "status": 400,
                "request_id": "req_7",
            },
            "wait_s": 1.5,
            "total_s": 4.0,
            "submitted_by": "maria",
        }


async def test_a_stream_goes_on_after_the_last_id(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as served:
        log = served.desk.events
        for pool in "abc":
            log.apply(ev.PoolOpened(pool))
        async with following(served, **last_id(log, 1)) as stream:
            assert await stream.frame() == {"retry": "1000", "id": "fake-1"}
            assert [(await stream.event())["pool"] for _ in range(2)] == ["b", "c"]


async def test_what_is_kept_no_more_is_told_as_a_gap_first(tmp_path: Path) -> None:
    async with a_desk(tmp_path, kept=2) as served:
        log = served.desk.events
        for pool in "abcde":
            log.apply(ev.PoolOpened(pool))
        async with following(served, "?type=hold_set,pool_opened", **last_id(log, 1)) as stream:
            gap = await stream.frame()
            assert (gap["id"], gap["event"]) == ("fake-3", "gap")
            assert json.loads(gap["data"]) | {"at": ""} == {
                "at": "",
                "event": "gap",
                "reason": "too_old",
                "missed": 2,
            }
            assert (await stream.event())["pool"] == "d"


async def test_an_id_of_an_earlier_daemon_is_told_as_a_gap_before_all_that_is_kept(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as served:
        served.desk.events.apply(OPENED)
        async with following(served, **{"last-event-id": "0123456789abcdef-9"}) as stream:
            gap = await stream.event()
            assert (gap["event"], gap["reason"], gap["missed"]) == ("gap", "other_daemon", None)
            assert (await stream.event())["event"] == "pool_opened"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?type=job_moved", ["job_moved"]),
        ("?type=pool_opened,job_moved", ["pool_opened", "job_moved"]),
        ("?lane=interactive", ["job_moved"]),
        ("?workflow=triage&job=8", ["job_finished"]),
        ("?job=9", ["job_moved"]),
    ],
)
async def test_filters_leave_out_what_is_not_wanted(tmp_path: Path, query: str, expected: list[str]) -> None:
    async with a_desk(tmp_path) as served, following(served, query) as stream:
        log = served.desk.events
        log.apply(OPENED)
        log.apply(an_end(job_id=JobId(8)))
        log.apply(ev.JobMoved(JobId(9), "bulk", "interactive", 0))
        log.apply(ev.DaemonStopped(0))
        assert [(await stream.event())["event"] for _ in expected] == expected
        assert await stream.ended()


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("?type=job_finnished", 'Did you mean "job_finished"?'),
        ("?type=job_finished,", '"" is no type of event'),
        ("?lane=intractive", 'Did you mean "interactive"?'),
        ("?job=x", "job must be a whole number"),
        ("?workflw=x", 'Did you mean "workflow"?'),
        ("?type=hold_set&type=hold_released", "given twice"),
    ],
)
async def test_an_unknown_filter_is_refused_with_what_was_meant(
    tmp_path: Path, query: str, says: str
) -> None:
    async with a_desk(tmp_path) as served:
        refused = await served.client.get(f"/v1/events{query}")
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_query")
        assert says in refused.json()["detail"]


async def test_what_is_no_id_is_refused(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as served:
        refused = await served.client.get("/v1/events", headers={"last-event-id": "17"})
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_query")
        assert "Last-Event-ID" in refused.json()["detail"]


async def test_only_event_streams_need_be_accepted_here_and_only_json_elsewhere(tmp_path: Path) -> None:
    only = {"accept": "text/event-stream"}
    async with a_desk(tmp_path) as served:
        async with following(served, **only):
            pass
        assert (await served.client.get("/v1/jobs", headers=only)).status_code == 406


async def test_head_answers_without_a_stream(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as served, asyncio.timeout(PATIENCE_S):
        answer = await served.client.head("/v1/events")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream")


async def test_the_stream_ends_after_the_daemons_last_event(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as served, following(served) as stream:
        served.desk.events.apply(ev.DaemonDraining(1, 60.0))
        served.desk.events.apply(ev.DaemonStopped(0))
        assert [(await stream.event())["event"] for _ in range(2)] == ["daemon_draining", "daemon_stopped"]
        assert await stream.ended()
        assert served.troubles == []


async def test_while_nothing_happens_there_are_signs_of_life_with_the_place(tmp_path: Path) -> None:
    desk = FakeDesk(a_catalog(), now_ms=NOW_MS)
    handlers = EventHandlers(desk, lambda: NOW_MS, keep_alive_s=0.0)
    transport = httpx2.ASGITransport(app=_alone(handlers, desk.events))
    async with httpx2.AsyncClient(transport=transport, base_url="http://claudeflow") as client:
        answer = await client.get("/v1/events?type=hold_set")
    frames = answer.text.split("\n\n")
    assert frames[0] == "retry: 1000\nid: fake-0"
    assert ": still here" in frames
    assert ": still here\nid: fake-2" in frames
    assert frames.index(": still here") < frames.index(": still here\nid: fake-2")


def _alone(handlers: EventHandlers, log: EventLog) -> Any:
    """An application of this one route, whose world goes on a little with each sign of life."""

    async def may() -> None:
        return

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope[AGAIN] = may
        response = await handlers.follow(Request(scope, receive))
        world = [lambda: None, lambda: log.apply(OPENED), lambda: log.apply(OPENED), lambda: None]
        lives = 0

        async def heard(message: Any) -> None:
            nonlocal lives
            await send(message)
            if b"still here" in message.get("body", b""):
                lives += 1
                if lives <= len(world):
                    world[lives - 1]()
                elif lives == len(world) + 2:
                    log.apply(ev.DaemonStopped(0))

        await response(scope, receive, heard)

    return app


async def test_a_reader_that_never_reads_is_cut_off_and_holds_nobody_back(tmp_path: Path) -> None:
    async with a_desk(tmp_path, kept=50) as served:
        log = served.desk.events
        stuck = socket.socket(socket.AF_UNIX)
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        stuck.connect(str(served.path))
        stuck.sendall(b"GET /v1/events HTTP/1.1\r\nhost: x\r\n\r\n")
        async with following(served) as quick:
            await quick.frame()
            cut_off = None
            for number in range(20_000):
                log.apply(ev.OwnTrouble(str(number), "x" * 500))
                assert (await quick.event())["where"] == str(number)
                if log.readers == 1:
                    cut_off = number
                    break
        assert cut_off is not None
        stuck.setblocking(False)
        last = await _last_id_of(stuck)
        async with following(served, **{"last-event-id": last}) as again:
            gap = await again.event()
            assert (gap["event"], gap["reason"]) == ("gap", "too_old")
            assert gap["missed"] == log.first - 1 - int(last.split("-")[1])
        assert served.troubles == []


async def _last_id_of(stuck: socket.socket) -> str:
    """The last whole id in what a connection still holds until its end."""
    loop, text = asyncio.get_running_loop(), b""
    async with asyncio.timeout(PATIENCE_S):
        try:
            while piece := await loop.sock_recv(stuck, 65_536):
                text += piece
        except ConnectionResetError:
            pass
    stuck.close()
    whole = text[: text.rindex(b"\n\n")]
    return [line for line in whole.split(b"\n") if line.startswith(b"id: ")][-1][4:].decode()


OF_JOBS = (
    a_call(),
    an_end(),
    ev.JobRequeued(JobId(7), "bulk", "throttled", 0.0),
    ev.JobMoved(JobId(7), "bulk", "standard", 3),
    ev.LeaseRefused(JobId(7), 9),
)
"""Every kind of event that names one job."""


async def a_token(served: Served, name: str, role: RoleName) -> dict[str, str]:
    """The header with which somebody of this one role calls."""
    wanted = NewToken(name, GrantSettings((role,)), None, "root")
    _, text = await served.desk.access.create_token(wanted)
    return {"x-api-key": text}


async def test_a_sender_is_told_of_its_own_jobs_and_of_nothing_else(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as served, AsyncExitStack() as stack:
        log = served.desk.events
        roles: dict[str, RoleName] = {"anna": "submit", "bob": "submit", "carol": "read"}
        shown = {name: await a_token(served, name, role) for name, role in roles.items()}
        streams = {
            name: await stack.enter_async_context(following(served, **headers))
            for name, headers in shown.items()
        }
        apart = [event for event in ONE_OF_EACH if not isinstance(event, ev.DaemonStopped)]
        pack = a_call(kind="pack", jobs=3)
        told: list[ev.Event] = [*apart, pack]
        for owner in ("token:anna", "token:bob", "token:dora", "anna"):
            told += [replace(event, submitted_by=owner) for event in OF_JOBS]
        for event in (*told, ev.DaemonStopped(0)):
            log.apply(event)
        seen = {name: await everything(stream) for name, stream in streams.items()}
        for name in ("anna", "bob"):
            kinds = [name_of(event) for event in OF_JOBS]
            assert [(event["event"], event["submitted_by"]) for event in seen[name]] == [
                (kind, f"token:{name}") for kind in kinds
            ]
        assert len(seen["carol"]) == len(told) + 1


async def everything(stream: Stream) -> list[dict[str, Any]]:
    """All events until the stream ends."""
    found = []
    while (fields := await stream.frame()) != {}:
        if "data" in fields:
            found.append(json.loads(fields["data"]))
    return found


async def test_a_sender_hears_of_a_gap(tmp_path: Path) -> None:
    async with a_desk(tmp_path, kept=2) as served:
        headers = await a_token(served, "anna", "submit")
        for owner in ("token:bob", "token:anna", "token:bob", "token:anna"):
            served.desk.events.apply(an_end(submitted_by=owner))
        async with following(served, **headers, **last_id(served.desk.events, 1)) as stream:
            assert (await stream.event())["event"] == "gap"
            assert (await stream.event())["submitted_by"] == "token:anna"


async def test_who_may_neither_read_nor_send_follows_nothing(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as served:
        served.desk.access.grant(Grant(Grantee("token", "other"), GrantSettings(("read",))))
        _, text = await served.desk.access.create_token(NewToken("ci", GrantSettings(()), None, "root"))
        refused = await served.client.get("/v1/events", headers={"x-api-key": text})
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


def test_every_kind_that_names_a_job_says_who_sent_it() -> None:
    naming = {kind for kind in KINDS.values() if "job_id" in kind.__dataclass_fields__}
    assert naming == {type(event) for event in OF_JOBS}
    assert all("submitted_by" in kind.__dataclass_fields__ for kind in naming)


def test_every_kind_is_offered() -> None:
    assert {"job_finished", "call_ended", "hold_set", "daemon_stopped"} <= set(KINDS)
