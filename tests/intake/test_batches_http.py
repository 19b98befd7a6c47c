"""Batches over the socket: listed with what waits for the next, shown with their money, stopped."""

from __future__ import annotations

import getpass
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest

from claudeflow.domain.batch import BatchState
from claudeflow.intake.times import write_time
from tests.intake.builders import NOW_MS, a_catalog
from tests.intake.serving import Served, serving
from tests.support.fake_batches import API_ID, DONE, SPEND, UNDER_WAY, WAITING
from tests.support.fake_desk import FakeDesk

ME = getpass.getuser()


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(FakeDesk(a_catalog(), now_ms=NOW_MS), tmp_path) as running:
        yield running
        assert running.troubles == []


async def stopped(
    served: Served, number: object, content: Any = None, media_type: str = "application/json"
) -> httpx2.Response:
    body = content if isinstance(content, bytes) else b"" if content is None else orjson.dumps(content)
    headers = {"content-type": media_type} if body else {}
    return await served.client.post(f"/v1/batches/{number}/cancel", content=body, headers=headers)


def refusal(response: httpx2.Response) -> tuple[int, str, str]:
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    return response.status_code, problem["code"], problem["detail"]


async def test_batches_are_listed_newest_first_with_what_waits_for_the_next_one(served: Served) -> None:
    found = (await served.client.get("/v1/batches")).json()
    assert [(one["id"], one["state"]) for one in found["batches"]] == [
        (9, "ready"),
        (8, "in_progress"),
        (7, "done"),
    ]
    assert found["waiting"] == [
        {
            "lane": "bulk",
            "workflow": "vendor-questions",
            "model": "claude-haiku-5-5",
            "requests": 812,
            "size_bytes": 2_100_000,
            "oldest_at": write_time(WAITING.oldest_ms),
            "why": WAITING.why,
            "until": write_time(WAITING.until_ms),
        }
    ]
    assert (found["usual_s"], found["next"]) == (2_580.0, None)


async def test_a_list_has_the_money_of_those_that_are_through(served: Served) -> None:
    served.desk.batches.rows[8] = replace(UNDER_WAY, state=BatchState.LOST)
    batches = (await served.client.get("/v1/batches")).json()["batches"]
    costs = {one["id"]: one["spend"] and one["spend"]["cost_nanousd"] for one in batches}
    assert costs == {9: None, 8: 0, 7: SPEND.cost_nanousd}


async def test_a_list_is_paged_by_numbers(served: Served) -> None:
    page = (await served.client.get("/v1/batches", params={"limit": 2})).json()
    assert ([one["id"] for one in page["batches"]], page["next"]) == ([9, 8], 8)
    page = (await served.client.get("/v1/batches", params={"limit": 2, "before": 8})).json()
    assert ([one["id"] for one in page["batches"]], page["next"]) == ([7], None)


async def test_one_batch_is_shown_with_its_cost_and_what_messages_would_have_cost(served: Served) -> None:
    shown = (await served.client.get("/v1/batches/7")).json()
    assert DONE.created_ms is not None
    assert shown == {
        "id": 7,
        "api_id": API_ID,
        "state": "done",
        "requests": 1_000,
        "booked": 1_000,
        "left": 0,
        "counts": {"processing": 0, "succeeded": 990, "errored": 6, "canceled": 0, "expired": 4},
        "made_at": write_time(DONE.made_ms),
        "created_at": write_time(DONE.created_ms),
        "expires_at": write_time(DONE.expires_ms),
        "ended_at": write_time(DONE.ended_ms),
        "done_at": write_time(DONE.done_ms),
        "results_until": write_time(DONE.created_ms + 29 * 86_400_000),
        "size_bytes": 1_230_000,
        "warms": False,
        "marks": 2,
        "cancel_by": None,
        "problem": None,
        "spend": {
            "cost_nanousd": 1_250_000_000,
            "bound_nanousd": 0,
            "unbatched_nanousd": 2_600_000_000,
            "saved_nanousd": 1_350_000_000,
            "input_tokens": 1_200_000,
            "cache_write_tokens": 5_120,
            "cache_read_tokens": 2_400_000,
            "output_tokens": 300_000,
        },
    }


async def test_a_batch_that_has_not_left_has_no_moment_until_which_results_are_kept(served: Served) -> None:
    shown = (await served.client.get("/v1/batches/9")).json()
    assert (shown["api_id"], shown["created_at"], shown["results_until"]) == (None, None, None)


@pytest.mark.parametrize("content", [None, {}, {"jobs": False}])
async def test_a_batch_is_stopped_for_whoever_asks_as_the_kernel_knows_it(
    served: Served, content: Any
) -> None:
    done = await stopped(served, 8, content)
    assert (done.status_code, done.json()["cancel_by"]) == (200, ME)
    assert served.desk.batches.cancelled == [(8, False)]


async def test_its_jobs_are_cancelled_too_when_asked(served: Served) -> None:
    await stopped(served, 8, {"jobs": True})
    assert served.desk.batches.cancelled == [(8, True)]


async def test_what_is_through_cannot_be_stopped(served: Served) -> None:
    assert refusal(await stopped(served, 7)) == (
        409,
        "conflict",
        "batch 7 is done: there is nothing left to stop",
    )


@pytest.mark.parametrize(
    ("number", "says"),
    [
        ("70", "no batch has the number 70"),
        *((text, "numbers are whole, from 1") for text in ("0", "-1", "seven", "9" * 19, "9" * 20, API_ID)),
    ],
)
async def test_an_unknown_batch_is_a_404_everywhere(served: Served, number: str, says: str) -> None:
    for response in (await served.client.get(f"/v1/batches/{number}"), await stopped(served, number)):
        status, code, detail = refusal(response)
        assert (status, code) == (404, "batch_not_found")
        assert says in detail


async def test_the_apis_name_for_a_batch_is_answered_with_where_its_number_stands(served: Served) -> None:
    _, _, detail = refusal(await served.client.get(f"/v1/batches/{API_ID}"))
    assert "claudeflow batches list" in detail


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"jobs": "yes"}, 'jobs must be true or false, found "yes"'),
        ({"jobs": None}, "jobs must be true or false"),
        ({"job": True}, 'Did you mean "jobs"?'),
        ([], "must be a JSON object"),
        (b"{", "is not JSON"),
        (b'{"jobs": false, "jobs": true}', "given twice"),
    ],
)
async def test_a_wrong_body_stops_nothing(served: Served, content: Any, says: str) -> None:
    status, code, detail = refusal(await stopped(served, 8, content))
    assert (status, code) == (400, "bad_request")
    assert says in detail
    assert served.desk.batches.cancelled == []


async def test_a_body_is_json_and_small(served: Served) -> None:
    assert refusal(await stopped(served, 8, {"jobs": True}, "text/plain"))[0] == 415
    assert refusal(await stopped(served, 8, b" " * 70_000))[0] == 413
    assert served.desk.batches.cancelled == []


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "before=0", "state=done", "limit=1&limit=2"]
)
async def test_parameters_that_are_not_known_or_out_of_bounds_are_refused(served: Served, query: str) -> None:
    assert refusal(await served.client.get(f"/v1/batches?{query}"))[:2] == (400, "invalid_query")
