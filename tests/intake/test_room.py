"""Room for bodies: all requests share it, one user has half of it, and it is free again afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from claudeflow.intake.http.app import build_app
from claudeflow.intake.http.errors import NoRoom
from claudeflow.intake.http.room import BodyRoom
from tests.intake.builders import NOW_MS, a_catalog, a_job, raw
from tests.intake.raw_clients import connected
from tests.intake.serving import serving
from tests.support.daemons import until
from tests.support.fake_desk import FakeDesk

HEAD = b"POST /v1/jobs HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"


def test_one_user_has_half_of_the_room_and_all_have_all_of_it() -> None:
    room = BodyRoom(100)
    room.take("alice", 30)
    room.take("alice", 20)
    with pytest.raises(NoRoom):
        room.take("alice", 1)
    room.take("bob", 50)
    with pytest.raises(NoRoom):
        room.take("carol", 1)
    room.give_back("bob", 5)
    room.take("carol", 5)
    assert room.held_bytes == 100


async def test_a_body_for_which_there_is_no_room_is_refused_and_the_others_go_on(tmp_path: Path) -> None:
    room = BodyRoom(2_000_000)
    app: Any = build_app(FakeDesk(a_catalog()), lambda: NOW_MS, room=room)
    job = raw(
        a_job(
            request={
                "model": "claude-haiku-5-5",
                "max_tokens": 5,
                "messages": [{"role": "user", "content": "x" * 600_000}],
            }
        )
    )
    async with serving(FakeDesk(a_catalog()), tmp_path, app=app) as served:
        async with connected(served.path) as first:
            await first.say(HEAD % len(job), job[:-1])
            await until(lambda: room.held_bytes == len(job) - 1)
            refused = await served.client.post(
                "/v1/jobs", content=job, headers={"content-type": "application/json"}
            )
            assert (refused.status_code, refused.json()["code"]) == (503, "no_room")
            assert refused.headers["retry-after"] == "1"
            await first.say(job[-1:])
            assert (await first.answer())[0] == 201
        assert room.held_bytes == 0
        many = await served.client.post(
            "/v1/jobs?partial=true",
            content=b"\n".join([raw(a_job())] * 20_000),
            headers={"content-type": "application/x-ndjson"},
        )
        assert (many.status_code, many.json()["submitted"]) == (201, 20_000)
        assert room.held_bytes == 0
