"""NDJSON that is answered line by line while it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from claudeflow.intake.desks.access import NewToken
from claudeflow.policy.access.settings import GrantSettings
from tests.intake.builders import a_catalog, a_job, asking, raw
from tests.intake.raw_clients import PATIENCE_S, RawClient, connected
from tests.intake.serving import Served, serving
from tests.support.fake_desk import FakeDesk

HEAD = (
    b"POST /v1/jobs HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-ndjson\r\n"
    b"accept: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n"
)
END = b"0\r\n\r\n"
NDJSON = "application/x-ndjson"


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(FakeDesk(a_catalog(), max_queued=30_000), tmp_path) as running:
        yield running
        assert running.troubles == []


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Lines:
    """The lines of a chunked answer, one after the other."""

    def __init__(self, client: RawClient) -> None:
        self._client = client
        self._head: bytes | None = None
        self._text = bytearray()

    async def next(self) -> Any:
        """The next line; None at the end of the answer."""
        async with asyncio.timeout(PATIENCE_S):
            while b"\n" not in self._text:
                if not await self._more():
                    return None
        line, _, rest = bytes(self._text).partition(b"\n")
        self._text = bytearray(rest)
        return orjson.loads(line)

    async def all(self) -> list[Any]:
        """Every line there is."""
        found = []
        while (line := await self.next()) is not None:
            found.append(line)
        return found

    async def _more(self) -> bool:
        """Read one chunk; False for the last."""
        if self._head is None:
            self._head = await self._client.until(b"\r\n\r\n")
            assert self._head.startswith(b"HTTP/1.1 200")
            assert b"content-type: application/x-ndjson" in self._head
        size = int(await self._client.until(b"\r\n"), 16)
        self._text += (await self._client.exactly(size + 2))[:-2]
        return size > 0


async def test_a_line_is_answered_before_the_next_one_is_sent(served: Served) -> None:
    async with connected(served.path) as client:
        await client.say(HEAD)
        lines = Lines(client)
        for number in range(1, 4):
            await client.say(chunk(raw(a_job()) + b"\n"))
            assert await lines.next() == {"line": number, "id": number, "created": True}
            assert len(served.desk.jobs) == number
        await client.say(END)
        assert await lines.all() == [{"submitted": 3, "existing": 0, "refused": 0, "settled_lines": 3}]


async def test_lines_behind_a_reload_go_by_the_new_configuration(served: Served) -> None:
    job = raw(a_job()) + b"\n"
    async with connected(served.path) as client:
        await client.say(HEAD, chunk(job))
        lines = Lines(client)
        await lines.next()
        served.desk.put_up(replace(served.desk.catalog, default_lane="interactive"))
        await client.say(chunk(job), END)
        await lines.all()
    assert [job.lane for job in served.desk.jobs.values()] == ["bulk", "interactive"]


async def test_each_line_has_its_own_answer_in_order(served: Served) -> None:
    body = [raw(a_job(dedupe_key="k")), raw(asking(max_tokens=-1)), b"", raw(a_job(dedupe_key="k")), b"{"]
    async with connected(served.path) as client:
        await client.say(HEAD, chunk(b"\n".join(body)), END)
        first, wrong, existing, broken, sums = await Lines(client).all()
    assert first == {"line": 1, "id": 1, "created": True}
    assert (wrong["line"], wrong["errors"][0]["field"]) == (2, "request.max_tokens")
    assert existing == {"line": 4, "id": 1, "created": False}
    assert (broken["line"], broken["errors"][0]["field"]) == (5, "body")
    assert sums == {"submitted": 1, "existing": 1, "refused": 2, "settled_lines": 5}


async def test_a_line_that_is_not_allowed_is_refused_and_the_others_go_on(served: Served) -> None:
    headers = await a_sender(served, lanes=("bulk",), workflows=("web", "mail"))
    jobs = [
        a_job(workflow="web"),
        a_job(workflow="web", lane="interactive"),
        a_job(workflow="mail"),
        a_job(workflow="x"),
    ]
    body = b"\n".join(raw(job) for job in jobs)
    answer = await served.client.post("/v1/jobs", content=body, headers={**headers, "accept": NDJSON})
    first, lane, third, workflow, sums = [orjson.loads(line) for line in answer.text.splitlines()]
    assert (first["id"], third["id"]) == (1, 2)
    for line, number in ((lane, 2), (workflow, 4)):
        assert (line["line"], line["code"], line["errors"][0]["field"]) == (number, "forbidden", "lane")
        assert "may not send jobs of workflow" in line["errors"][0]["message"]
    assert sums == {"submitted": 2, "existing": 0, "refused": 2, "settled_lines": 4}
    told = [(one.caller, one.code) for one in served.desk.access.refusals]
    assert told == [("token:ci", "forbidden")] * 2


async def test_what_was_refused_after_the_last_settled_line_is_not_counted(tmp_path: Path) -> None:
    async with serving(FakeDesk(a_catalog(), max_queued=0), tmp_path) as served:
        body = raw(a_job()) + b"\n{\n"
        headers = {"content-type": NDJSON, "accept": NDJSON}
        [sums] = (await served.client.post("/v1/jobs", content=body, headers=headers)).text.splitlines()
    told = orjson.loads(sums)
    assert (told["code"], told["refused"], told["settled_lines"]) == ("lane_full", 0, 0)


@pytest.mark.parametrize("accept", ["*/*", NDJSON])
async def test_no_more_are_stored_at_once_than_the_caps_ever_let_in(served: Served, accept: str) -> None:
    headers = await a_sender(served, jobs_per_min=40, max_queued=30)
    headers["accept"] = accept
    body = (raw(a_job()) + b"\n") * 90
    await served.client.post("/v1/jobs?partial=true", content=body, headers=headers)
    assert (len(served.desk.jobs), served.desk.commits) == (90, 3)


async def a_sender(served: Served, **settings: Any) -> dict[str, str]:
    """What a sender with a token and such a grant sends along."""
    wanted = NewToken("ci", GrantSettings(("submit",), **settings), None, "root")
    _, text = await served.desk.access.create_token(wanted)
    return {"content-type": NDJSON, "x-api-key": text}


async def test_any_number_of_lines_goes_through_when_answers_are_read(served: Served) -> None:
    count = 6_000
    line = raw(a_job()) + b"\n"
    async with connected(served.path) as client:
        sending = asyncio.create_task(client.say(HEAD, *[chunk(line * 500)] * (count // 500), END))
        *answers, sums = await Lines(client).all()
        await sending
    assert [answer["id"] for answer in answers] == list(range(1, count + 1))
    assert sums["submitted"] == count
    assert served.desk.commits >= count // 100


async def test_what_ends_it_early_is_told_with_the_last_settled_line(tmp_path: Path) -> None:
    async with (
        serving(FakeDesk(a_catalog(), max_queued=3), tmp_path) as served,
        connected(served.path) as client,
    ):
        await client.say(HEAD)
        lines = Lines(client)
        for number in range(1, 4):
            await client.say(chunk(raw(a_job()) + b"\n"))
            assert (await lines.next())["id"] == number
        await client.say(chunk(raw(a_job()) + b"\n"))
        sums = await lines.next()
        assert (sums["code"], sums["status"], sums["retry_after"]) == ("lane_full", 503, 30)
        assert (sums["submitted"], sums["settled_lines"]) == (3, 3)
        assert await lines.next() is None


async def test_a_client_that_hangs_up_keeps_what_was_answered(served: Served) -> None:
    async with connected(served.path) as client:
        await client.say(HEAD, chunk(raw(a_job()) + b"\n"))
        assert (await Lines(client).next())["id"] == 1
    assert (await served.client.get("/v1/jobs/1")).status_code == 200


async def test_there_is_no_key_for_jobs_that_are_stored_in_parts(served: Served) -> None:
    headers = {
        "content-type": "application/x-ndjson",
        "accept": "application/x-ndjson",
        "idempotency-key": "k",
    }
    refused = await served.client.post("/v1/jobs", content=raw(a_job()), headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_idempotency_key")
