"""Holds over the socket: set, changed, listed, released, and who did it."""

from __future__ import annotations

import getpass
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest

from claudeflow.domain.hold import EVERYTHING, Hold, HoldCause
from claudeflow.intake.times import write_time
from tests.intake.builders import NOW_MS, a_catalog
from tests.intake.serving import Served, serving
from tests.support.fake_desk import FakeDesk

ME = getpass.getuser()
CREDIT = Hold(EVERYTHING, HoldCause.CREDIT, "no credit", since_ms=1, probe_at_ms=60_001)
A_HOLD = {"scope": "workflow:triage", "reason": "its prompt is wrong"}


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(FakeDesk(a_catalog(), now_ms=NOW_MS), tmp_path) as running:
        yield running
        assert running.troubles == []


async def post(served: Served, content: Any, media_type: str = "application/json") -> httpx2.Response:
    body = content if isinstance(content, bytes) else orjson.dumps(content)
    return await served.client.post("/v1/holds", content=body, headers={"content-type": media_type})


def refusal(response: httpx2.Response) -> tuple[int, str, str]:
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    return response.status_code, problem["code"], problem["detail"]


async def test_a_hold_is_set_by_whoever_asks_as_the_kernel_knows_it(served: Served) -> None:
    created = await post(served, {**A_HOLD, "until": "+2h"})
    assert (created.status_code, created.headers["location"]) == (201, "/v1/holds/workflow:triage")
    assert created.json() == {
        "scope": "workflow:triage",
        "cause": "manual",
        "reason": "its prompt is wrong",
        "since": write_time(NOW_MS),
        "until": write_time(NOW_MS + 7_200_000),
        "probe_at": None,
        "set_by": ME,
        "way_out": "release it",
    }


async def test_holding_again_changes_the_hold(served: Served) -> None:
    await post(served, {**A_HOLD, "until": "+2h"})
    changed = await post(served, {**A_HOLD, "reason": "still wrong", "until": None})
    assert (changed.status_code, changed.json()["reason"], changed.json()["until"]) == (
        200,
        "still wrong",
        None,
    )
    assert "location" not in changed.headers
    assert len((await served.client.get("/v1/holds")).json()["holds"]) == 1


async def test_holds_are_listed_with_the_jobs_that_wait(served: Served) -> None:
    assert (await served.client.get("/v1/holds")).json() == {"holds": []}
    served.desk.holds.holds.append(CREDIT)
    [hold] = (await served.client.get("/v1/holds")).json()["holds"]
    assert (hold["scope"], hold["cause"], hold["waiting_jobs"], hold["set_by"]) == ("all", "credit", 7, None)
    assert hold["probe_at"] == "1970-01-01T00:01:00.001Z"
    assert "top up" in hold["way_out"]


async def test_releasing_ends_the_hold_by_hand_first_and_tells_what_remains(served: Served) -> None:
    served.desk.holds.holds.append(CREDIT)
    await post(served, {"scope": "all", "reason": "maintenance"})
    done = (await served.client.delete("/v1/holds/all", params={"reason": "over"})).json()
    assert [hold["cause"] for hold in done["released"]] == ["manual"]
    assert [hold["cause"] for hold in done["remaining"]] == ["credit"]
    done = (await served.client.delete("/v1/holds/all")).json()
    assert ([hold["cause"] for hold in done["released"]], done["remaining"]) == (["credit"], [])


async def test_a_cause_chooses_which_hold_ends(served: Served) -> None:
    served.desk.holds.holds.append(CREDIT)
    await post(served, {"scope": "all", "reason": "maintenance"})
    done = (await served.client.delete("/v1/holds/all", params={"cause": "credit"})).json()
    assert [hold["cause"] for hold in done["remaining"]] == ["manual"]


async def test_the_history_tells_who_did_what_and_why(served: Served) -> None:
    await post(served, {**A_HOLD, "until": "+1d"})
    await served.client.delete("/v1/holds/workflow:triage", params={"reason": "mended"})
    newest, oldest = (await served.client.get("/v1/holds/history")).json()["changes"]
    assert oldest == {
        "at": write_time(NOW_MS),
        "action": "set",
        "scope": "workflow:triage",
        "cause": "manual",
        "reason": "its prompt is wrong",
        "who": ME,
        "until": write_time(NOW_MS + 86_400_000),
    }
    assert (newest["action"], newest["reason"], newest["who"]) == ("released", "mended", ME)
    [only] = (await served.client.get("/v1/holds/history", params={"limit": 1})).json()["changes"]
    assert only == newest


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        ({"scope": "lane:blk", "reason": "r"}, 'no lane "blk"; known are '),
        ({"scope": "model:claude-haiku-55", "reason": "r"}, 'Did you mean "claude-haiku-5-5"?'),
        ({"scope": "pool:none", "reason": "r"}, 'no pool "none"; known are '),
        ({"scope": "everything", "reason": "r"}, "write all, pool:NAME"),
        ({"scope": "all:x", "reason": "r"}, "all stands alone"),
        ({"scope": "all:", "reason": "r"}, "all stands alone"),
        ({"scope": "lane", "reason": "r"}, "a name is missing"),
        ({"scope": "lane:", "reason": "r"}, "a name is missing"),
        ({"scope": "workflow:a b", "reason": "r"}, "cannot be one"),
        ({"scope": "workflow:" + "x" * 201, "reason": "r"}, "cannot be one"),
        ({"scope": "job:seven", "reason": "r"}, "ids are whole numbers from 1"),
        ({"scope": "job:0", "reason": "r"}, "ids are whole numbers from 1"),
        ({"scope": "job:99999999999999999999", "reason": "r"}, "ids are whole numbers from 1"),
        ({"scope": "all", "reason": " "}, "reason must be 1 to 500 printable characters"),
        ({"scope": "all", "reason": "x" * 501}, "reason must be 1 to 500"),
        ({"scope": "all", "reason": "\u001b[31m"}, "reason must be 1 to 500"),
        ({"scope": "all"}, "reason must be a string"),
        ({"reason": "r"}, "scope must be a string"),
        ({"scope": 7, "reason": "r"}, "scope must be a string"),
        ({"scope": "all", "reason": "r", "until": "later"}, "until: found"),
        ({"scope": "all", "reason": "r", "untill": "+2h"}, 'Did you mean "until"?'),
        ([], "body"),
        (b"{", "body"),
        (b'{"scope": "all", "scope": "all", "reason": "r"}', "given twice"),
    ],
)
async def test_what_is_no_hold_is_refused_with_the_remedy(served: Served, content: Any, detail: str) -> None:
    status, code, told = refusal(await post(served, content))
    assert (status, code) == (422, "invalid_hold")
    assert detail in told
    assert served.desk.holds.changes == []


async def test_a_hold_is_sent_as_json_and_is_small(served: Served) -> None:
    assert refusal(await post(served, A_HOLD, "text/plain"))[:2] == (415, "unsupported_media_type")
    large = {**A_HOLD, "reason": "x" * 70_000}
    assert refusal(await post(served, large))[:2] == (413, "body_too_large")


async def test_what_is_not_held_cannot_be_released(served: Served) -> None:
    answer = await served.client.delete("/v1/holds/all")
    assert refusal(answer)[:2] == (404, "hold_not_found")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v1/holds/nothing", "invalid_hold"),
        ("/v1/holds/all?cause=money", "invalid_hold"),
        ("/v1/holds/all?reason=", "invalid_hold"),
        ("/v1/holds/all?why=me", "invalid_query"),
    ],
)
async def test_a_release_that_says_nonsense_is_refused(served: Served, path: str, code: str) -> None:
    assert refusal(await served.client.delete(path))[1] == code


@pytest.mark.parametrize(
    "path", ["/v1/holds?limit=3", "/v1/holds/history?limit=0", "/v1/holds/history?limit=1001"]
)
async def test_parameters_that_are_not_known_or_out_of_bounds_are_refused(served: Served, path: str) -> None:
    assert refusal(await served.client.get(path))[:2] == (400, "invalid_query")
