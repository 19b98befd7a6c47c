"""One thing done to many jobs at once, over a real Unix socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from claudeflow.domain.errors import Conflict
from claudeflow.domain.job import JobId, JobRecord, JobState
from tests.intake.builders import a_catalog, a_job
from tests.intake.serving import Served, serving
from tests.support.fake_desk import FakeDesk


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(FakeDesk(a_catalog()), tmp_path) as running:
        for number in range(30):
            job = a_job(
                lane="bulk" if number % 3 else "interactive", workflow="ticket-x" if number % 2 else "web"
            )
            await running.client.post("/v1/jobs", json=job)
        yield running
        assert running.troubles == []


async def ask(served: Served, verb: str, **body: Any) -> httpx2.Response:
    return await served.client.post(f"/v1/jobs/{verb}", json=body)


async def states(served: Served) -> dict[str, int]:
    found: dict[str, int] = {}
    for number in range(1, 31):
        state = (await served.desk.job(JobId(number))).state
        found[state.value] = found.get(state.value, 0) + 1
    return found


async def test_a_filter_lists_jobs_over_pages(served: Served) -> None:
    ids: list[int] = []
    query = {"filter": "lane:bulk -workflow:ticket-*", "limit": "4"}
    while True:
        page = (await served.client.get("/v1/jobs", params=query)).json()
        ids += [job["id"] for job in page["jobs"]]
        if page["next"] is None:
            break
        query["before"] = str(page["next"])
    assert ids == [number for number in range(30, 0, -1) if (number - 1) % 3 and (number - 1) % 2 == 0]


async def test_a_filter_goes_with_the_other_parameters(served: Served) -> None:
    params = {"filter": "workflow:web", "lane": "interactive"}
    page = (await served.client.get("/v1/jobs", params=params)).json()
    assert [job["id"] for job in page["jobs"]] == [25]
    assert page["next"] == 21


async def test_a_wrong_filter_is_refused_with_its_place(served: Served) -> None:
    refused = await served.client.get("/v1/jobs", params={"filter": "lane:bulk stat:failed"})
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_filter")
    assert "at 11" in refused.json()["detail"]


async def test_a_dry_run_says_what_is_meant_and_touches_nothing(served: Served) -> None:
    answer = (await ask(served, "cancel", filter="lane:bulk", dry_run=True)).json()
    assert (answer["matched"], answer["done"], answer["dry_run"]) == (20, 0, True)
    assert answer["by_state"] == {"queued": 20}
    assert answer["by_lane"] == {"bulk": 20}
    assert answer["by_workflow"] == {"ticket-x": 10, "web": 10}
    assert answer["ids"][0] == 30
    assert await states(served) == {"queued": 30}


@pytest.mark.parametrize(
    ("verb", "place", "left_alone"),
    [
        ("cancel", {}, {}),
        ("retry", {}, {"is queued": 5}),
        ("move", {"priority": 3}, {"is cancelled": 25}),
    ],
)
async def test_a_dry_run_counts_those_that_would_be_left_alone(
    served: Served, verb: str, place: dict[str, Any], left_alone: dict[str, int]
) -> None:
    await ask(served, "cancel", filter="id<=25")
    told = (await ask(served, verb, all=True, dry_run=True, **place)).json()
    assert told["matched"] == 30
    assert {one["detail"]: one["jobs"] for one in told["skipped"]} == left_alone
    assert all(one["code"] == "conflict" and len(one["ids"]) <= 20 for one in told["skipped"])


async def test_what_a_filter_means_is_cancelled_queued_again_and_moved(served: Served) -> None:
    cancelled = (await ask(served, "cancel", filter="lane:bulk workflow:web", expect=10)).json()
    assert (cancelled["matched"], cancelled["done"], cancelled["skipped"]) == (10, 10, [])
    assert await states(served) == {"queued": 20, "cancelled": 10}
    again = (await ask(served, "retry", filter="state:cancelled")).json()
    assert again["done"] == 10
    moved = (await ask(served, "move", filter="lane:bulk", lane="interactive", priority=7)).json()
    assert moved["done"] == 20
    assert {(await served.desk.job(JobId(number))).lane for number in range(1, 31)} == {"interactive"}


async def test_another_number_than_expected_does_nothing(served: Served) -> None:
    for expected in (9, 11, 0):
        refused = await ask(served, "cancel", filter="lane:bulk workflow:web", expect=expected)
        assert (refused.status_code, refused.json()["code"]) == (409, "count_differs")
    assert await states(served) == {"queued": 30}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "an empty filter means every job: say all=true"),
        ({"filter": "  "}, "say all=true"),
        ({"filter": "", "all": False}, "say all=true"),
        ({"filter": "lane:bulk", "all": True}, "goes with an empty filter only"),
        ({"filter": 7}, "filter must be a string"),
        ({"filter": "lane:bulk", "expect": "9"}, "expect must be a number of jobs"),
        ({"filter": "lane:bulk", "expect": True}, "expect must be a number of jobs"),
        ({"filter": "lane:bulk", "dry_run": "yes"}, "dry_run must be true or false"),
        ({"filter": "lane:bulk", "dryrun": True}, 'Did you mean "dry_run"?'),
        ({"filter": "lane:bulk", "lane": "interactive"}, '"lane" is no field here'),
        ({"filter": "state:faild"}, 'Did you mean "failed"?'),
    ],
)
async def test_a_wish_that_is_not_clear_is_refused(served: Served, body: Any, told: str) -> None:
    refused = await ask(served, "cancel", **body)
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_filter")
    assert told in refused.json()["detail"]
    assert await states(served) == {"queued": 30}


async def test_all_jobs_are_meant_when_that_is_said(served: Served) -> None:
    assert (await ask(served, "cancel", all=True)).json()["done"] == 30


async def test_jobs_that_cannot_be_are_skipped_with_their_reason(served: Served) -> None:
    await served.desk.finish(JobId(2), b"{}")
    answer = (await ask(served, "retry", filter="id<=3")).json()
    assert (answer["matched"], answer["done"]) == (3, 0)
    [skipped] = answer["skipped"]
    assert (skipped["code"], skipped["jobs"], sorted(skipped["ids"])) == ("conflict", 3, [1, 2, 3])
    assert "cannot become queued" in skipped["detail"]


async def test_a_job_that_has_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    class BusyDesk(FakeDesk):
        async def cancel(self, job_id: JobId) -> JobRecord:
            if job_id == 70:
                await self.finish(JobId(1), b"{}")
            if (await self.job(job_id)).state is JobState.SUCCEEDED:
                raise Conflict("touched although it does not meet the filter any more")
            return await super().cancel(job_id)

    async with serving(BusyDesk(a_catalog()), tmp_path) as served:
        for _ in range(70):
            await served.client.post("/v1/jobs", json=a_job())
        answer = (await ask(served, "cancel", filter="state:queued")).json()
        assert answer["done"] == 69
        assert [(one["code"], one["ids"]) for one in answer["skipped"]] == [("changed", [1])]


async def test_a_bulk_request_may_be_sent_again_under_its_key(served: Served) -> None:
    headers = {"idempotency-key": "b1"}
    body = {"filter": "lane:bulk"}
    first = await served.client.post("/v1/jobs/cancel", json=body, headers=headers)
    await ask(served, "retry", filter="state:cancelled")
    again = await served.client.post("/v1/jobs/cancel", json=body, headers=headers)
    assert again.content == first.content
    assert await states(served) == {"queued": 30}
