"""Budgets over the socket: shown, set, released, and who did it."""

from __future__ import annotations

import getpass
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest

from claudeflow.domain.hold import EVERYTHING, Hold, HoldCause
from tests.intake.builders import NOW_MS, a_catalog
from tests.intake.serving import Served, serving
from tests.support.fake_desk import FakeDesk

ME = getpass.getuser()


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(FakeDesk(a_catalog(), now_ms=NOW_MS), tmp_path) as running:
        yield running
        assert running.troubles == []


async def send(
    served: Served, method: str, path: str, content: Any, media_type: str = "application/json"
) -> httpx2.Response:
    body = content if isinstance(content, bytes) else orjson.dumps(content)
    return await served.client.request(method, path, content=body, headers={"content-type": media_type})


async def test_budgets_are_shown_with_what_the_api_itself_says(served: Served) -> None:
    found = (await served.client.get("/v1/budgets")).json()
    [team] = found["budgets"]
    assert (team["name"], team["left_nanousd"], team["resets_at"]) == (
        "team",
        88_000_000_000,
        "1970-02-01T00:00:00.000Z",
    )
    assert team["thresholds"] == [
        {
            "at": 0.8,
            "action": "hold_lane",
            "forecast": False,
            "state": "reached",
            "since": "1970-01-06T00:00:00.000Z",
        }
    ]
    assert found["api_says"] is None
    served.desk.budgets.api_says = Hold(EVERYTHING, HoldCause.SPEND_CAP, "cap reached", since_ms=1)
    found = (await served.client.get("/v1/budgets")).json()
    assert found["api_says"]["cause"] == "spend_cap"


async def test_a_limit_is_set_by_whoever_asks_as_the_kernel_knows_it(served: Served) -> None:
    done = await send(served, "PUT", "/v1/budgets/team", {"limit_usd": 600.5, "until_reset": True})
    assert (done.status_code, done.json()["limit_nanousd"]) == (200, 600_500_000_000)
    assert done.json()["limit_until"] == "1970-02-01T00:00:00.000Z"
    [change] = (await served.client.get("/v1/budgets/history?limit=5")).json()["changes"]
    assert (change["act"], change["who"], change["reason"]) == ("set", ME, "set by hand")


async def test_what_thresholds_do_is_released_with_a_reason(served: Served) -> None:
    done = await send(served, "POST", "/v1/budgets/team/release", {"reason": "the customer  waits"})
    assert (done.status_code, done.json()["released_until"]) == (200, "1970-02-01T00:00:00.000Z")
    [change] = (await served.client.get("/v1/budgets/history")).json()["changes"]
    assert (change["act"], change["reason"]) == ("released", "the customer waits")
    again = await send(served, "POST", "/v1/budgets/team/release", {"reason": "again"})
    assert (again.status_code, again.json()["code"]) == (409, "nothing_to_release")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({}, "limit_usd is missing"),
        ({"limit_usd": 0}, "limit_usd found 0; it must be a number of US dollars above 0"),
        ({"limit_usd": -3}, "above 0"),
        ({"limit_usd": True}, "above 0"),
        ({"limit_usd": "600"}, 'limit_usd found "600"'),
        ({"limit_usd": 1e300}, "1,000,000,000 at most"),
        ({"limit_usd": 1e-12}, "above 0"),
        ({"limit_usd": 6, "until_reset": "yes"}, "until_reset must be true or false"),
        ({"limit_usd": 6, "reason": " "}, "reason must be"),
        ({"limit": 6}, "known are limit_usd, reason, until_reset. Did you mean"),
        (b"{", "is not JSON"),
    ],
)
async def test_a_wrong_limit_is_refused_in_words(served: Served, content: Any, says: str) -> None:
    refused = await send(served, "PUT", "/v1/budgets/team", content)
    assert refused.headers["content-type"] == "application/problem+json"
    problem = refused.json()
    assert (refused.status_code, problem["code"]) == (422, "invalid_budget")
    assert says in problem["detail"]
    assert served.desk.budgets.changes == []


async def test_a_release_needs_a_reason_and_unknown_budgets_are_named(served: Served) -> None:
    refused = await send(served, "POST", "/v1/budgets/team/release", {})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_budget")
    missing = await send(served, "PUT", "/v1/budgets/tem", {"limit_usd": 6})
    assert (missing.status_code, missing.json()["code"]) == (404, "budget_not_found")
    plain = await send(served, "PUT", "/v1/budgets/team", {"limit_usd": 6}, "text/plain")
    assert plain.status_code == 415
