"""Who goes when, over the socket: moving jobs, explanations and limits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from tests.intake.builders import a_catalog, a_job
from tests.intake.serving import Served, serving
from tests.support.fake_desk import FakeDesk


@pytest_asyncio.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(FakeDesk(a_catalog()), tmp_path) as running:
        await running.client.post("/v1/jobs", json=a_job())
        yield running


async def moved(served: Served, body: Any, job_id: int = 1) -> httpx2.Response:
    return await served.client.patch(f"/v1/jobs/{job_id}", json=body)


async def test_a_job_is_given_another_lane_and_priority(served: Served) -> None:
    response = await moved(served, {"lane": "interactive", "priority": 50})
    assert response.status_code == 200
    assert (response.json()["lane"], response.json()["priority"]) == ("interactive", 50)
    assert (await moved(served, {"priority": -1})).json()["lane"] == "interactive"
    assert (await moved(served, {"lane": "bulk"})).json()["priority"] == -1


@pytest.mark.parametrize(
    ("body", "field", "word"),
    [
        ({}, "lane", "missing"),
        ({"lane": None}, "lane", "missing"),
        ({"lane": "bluk"}, "lane", "bulk"),
        ({"lane": 7}, "lane", "lanes are"),
        ({"priority": 101}, "priority", "100"),
        ({"priority": True}, "priority", "integer"),
        ({"lane": "bulk", "model": "claude-opus-5-5"}, "model", "cannot be changed"),
    ],
)
async def test_a_wrong_move_is_refused_with_its_reason(
    served: Served, body: Any, field: str, word: str
) -> None:
    response = await moved(served, body)
    problem = response.json()
    assert (response.status_code, problem["code"]) == (422, "invalid_job")
    assert [(error["field"], word in error["message"]) for error in problem["errors"]] == [(field, True)]


async def test_what_is_no_json_is_refused(served: Served) -> None:
    text = await served.client.patch("/v1/jobs/1", content=b"lane=bulk")
    assert (text.status_code, text.json()["code"]) == (415, "unsupported_media_type")
    headers = {"content-type": "application/json"}
    broken = await served.client.patch("/v1/jobs/1", content=b"{", headers=headers)
    assert (broken.status_code, broken.json()["code"]) == (422, "invalid_job")


async def test_a_job_that_is_not_there_or_has_ended_is_not_moved(served: Served) -> None:
    assert (await moved(served, {"lane": "bulk"}, 9)).status_code == 404
    await served.client.post("/v1/jobs/1/cancel")
    assert (await moved(served, {"lane": "bulk"})).json()["code"] == "conflict"


async def test_an_explanation_tells_rule_words_place_and_moment(served: Served) -> None:
    found = (await served.client.get("/v1/jobs/1/explain")).json()
    assert found == {
        "id": 1,
        "state": "queued",
        "rule": "behind",
        "why": "4 jobs go first",
        "until": None,
        "ahead": {"flow": 1, "workflow": 2, "lane": 3, "pool": 4},
        "goes_at": "2026-11-22T09:01:00.000Z",
    }
    assert (await served.client.get("/v1/jobs/9/explain")).status_code == 404


async def test_limits_tell_of_pools_buckets_and_waits(served: Served) -> None:
    [pool] = (await served.client.get("/v1/limits")).json()["pools"]
    assert (pool["pool"], pool["theta"], pool["buckets"][0]["axis"]) == ("haiku-5.5", 0.9, "requests")
    assert pool["waits"] == [
        {
            "lane": "bulk",
            "workflow": "triage",
            "rule": "bucket",
            "why": "requests bucket",
            "until": "2026-11-22T09:01:00.000Z",
        }
    ]
