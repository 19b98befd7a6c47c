"""Requests that go on end when their caller may not make them any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from claudeflow.domain.events import PoolOpened
from claudeflow.domain.job import JobId
from claudeflow.intake.desks.access import NewToken
from claudeflow.observe.event_log import EventLog
from claudeflow.policy.access.grants import Grant, Grantee
from claudeflow.policy.access.settings import GrantSettings, RoleName
from tests.intake.builders import NOW_MS, a_catalog, a_job, parsed, raw
from tests.intake.raw_clients import PATIENCE_S, connected
from tests.intake.serving import Served, serving
from tests.intake.test_events_http import Stream, following
from tests.intake.test_line_answers import END, Lines, chunk
from tests.observe.happenings import an_end
from tests.support.daemons import until
from tests.support.fake_desk import FakeDesk

ANSWER = b'{"content": [], "stop_reason": "end_turn"}'


@dataclass
class House:
    """A daemon's door, and the holder of a token."""

    served: Served
    token: str

    @property
    def desk(self) -> FakeDesk:
        return self.served.desk

    @property
    def headers(self) -> dict[str, str]:
        return {"x-api-key": self.token}

    async def revoke(self) -> None:
        await self.desk.access.revoke_token("ci", "root")

    def grant(self, *roles: RoleName) -> None:
        """What the configuration gives the token from now on."""
        self.desk.access.grant(*[Grant(Grantee("token", "ci"), GrantSettings(roles))] if roles else [])

    async def a_token(self, *roles: RoleName) -> None:
        _, self.token = await self.desk.access.create_token(
            NewToken("ci", GrantSettings(roles), None, "root")
        )

    async def a_job_of(self, submitter: str) -> JobId:
        [stored] = await self.desk.submit([parsed(a_job(), submitted_by=submitter)])
        return stored.id

    async def code_of_wait(self, job_id: JobId) -> tuple[int, str]:
        path = f"/v1/jobs/{job_id}?wait=60"
        answer = await self.served.client.get(path, headers=self.headers)
        return answer.status_code, answer.json()["code"]

    async def waiting(self, job_id: JobId) -> asyncio.Task[tuple[int, str]]:
        """Somebody who waits for the job already."""
        task = asyncio.create_task(self.code_of_wait(job_id))
        async with asyncio.timeout(PATIENCE_S):
            await self.desk.waiting.wait()
        return task


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    desk = FakeDesk(a_catalog(), now_ms=NOW_MS)
    desk.events = EventLog("fake", lambda: NOW_MS)
    async with serving(desk, tmp_path) as served:
        yield House(served, "")
        assert served.troubles == []


async def is_closed(house: House, stream: Stream) -> bool:
    """Whether the stream has ended, nobody reads along any more, and that was told."""
    assert await stream.frame() == {"retry": "1000", "id": "fake-0"}
    ended = await stream.ended()
    house.desk.events.apply(PoolOpened("haiku-5.5"))
    return ended and await stream.ended() and house.desk.events.readers == 0


async def test_a_stream_of_events_ends_when_its_token_is_revoked(house: House) -> None:
    await house.a_token("read")
    async with following(house.served, **house.headers) as stream:
        await house.revoke()
        assert await is_closed(house, stream)
    [told] = house.desk.access.refusals
    assert (told.code, told.route) == ("unauthenticated", "GET /v1/events")
    again = await house.served.client.get("/v1/events", headers=house.headers)
    assert again.status_code == 401


async def test_a_stream_of_events_ends_when_the_grant_is_taken_away(house: House) -> None:
    await house.a_token()
    house.grant("read")
    async with following(house.served, **house.headers) as stream:
        house.desk.access.grant(Grant(Grantee("token", "other"), GrantSettings(("read",))))
        assert await is_closed(house, stream)
    assert [told.code for told in house.desk.access.refusals] == ["forbidden"]


async def test_who_may_read_no_more_is_told_of_its_own_jobs_alone(house: House) -> None:
    await house.a_token()
    house.grant("read", "submit")
    async with following(house.served, **house.headers) as stream:
        house.desk.events.apply(an_end(submitted_by="bob"))
        assert (await stream.event())["submitted_by"] == "bob"
        house.grant("submit")
        asked = house.desk.access.asked
        await until(lambda: house.desk.access.asked >= asked + 2)
        house.desk.events.apply(an_end(submitted_by="bob"))
        house.desk.events.apply(PoolOpened("haiku-5.5"))
        house.desk.events.apply(an_end(submitted_by="token:ci"))
        assert (await stream.event())["submitted_by"] == "token:ci"


async def test_a_stream_goes_on_as_long_as_its_caller_may_read(house: House) -> None:
    await house.a_token("read")
    async with following(house.served, **house.headers) as stream:
        await until(lambda: house.desk.access.asked >= 3)
        house.desk.events.apply(PoolOpened("haiku-5.5"))
        assert (await stream.event())["event"] == "pool_opened"


async def test_who_waits_for_a_job_is_turned_away_when_the_token_is_revoked(house: House) -> None:
    await house.a_token("submit")
    waiting = await house.waiting(await house.a_job_of("token:ci"))
    await house.revoke()
    assert await waiting == (401, "unauthenticated")


async def test_who_waited_gets_no_answer_after_the_token_was_revoked(house: House) -> None:
    await house.a_token("submit")
    job_id = await house.a_job_of("token:ci")
    waiting = await house.waiting(job_id)
    await house.revoke()
    await house.desk.finish(job_id, ANSWER)
    assert await waiting == (401, "unauthenticated")


async def test_who_may_read_no_more_waits_for_its_own_jobs_alone(house: House) -> None:
    await house.a_token()
    house.grant("read", "submit")
    waiting = await house.waiting(await house.a_job_of("bob"))
    house.grant("submit")
    assert await waiting == (404, "job_not_found")


async def test_lines_that_come_after_the_token_was_revoked_are_not_taken(house: House) -> None:
    await house.a_token("submit")
    async with connected(house.served.path) as client:
        await client.say(head(house, accept="application/x-ndjson"))
        lines = Lines(client)
        await client.say(chunk(raw(a_job()) + b"\n"))
        assert (await lines.next())["id"] == 1
        await house.revoke()
        await client.say(chunk(raw(a_job()) + b"\n"))
        sums = await lines.next()
        assert (sums["code"], sums["status"], sums["settled_lines"]) == ("unauthenticated", 401, 1)
    assert len(house.desk.jobs) == 1


@pytest.mark.parametrize("query", ["", "?partial=true"])
async def test_a_body_that_ends_after_the_token_was_revoked_is_not_taken(house: House, query: str) -> None:
    await house.a_token("submit")
    async with connected(house.served.path) as client:
        await client.say(head(house, query), chunk(raw(a_job()) + b"\n"))
        await until(lambda: house.desk.access.asked >= 1)
        await house.revoke()
        await client.say(END)
        assert await client.code() == (401, "unauthenticated")
    assert house.desk.jobs == {}


def head(house: House, query: str = "", accept: str = "*/*") -> bytes:
    """The head of a request that brings lines in chunks."""
    return (
        f"POST /v1/jobs{query} HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-ndjson\r\n"
        f"accept: {accept}\r\nx-api-key: {house.token}\r\ntransfer-encoding: chunked\r\n\r\n"
    ).encode()
