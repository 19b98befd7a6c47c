"""Many jobs in one request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeflow.intake.http.bodies import LineSplitter
from tests.intake.builders import a_catalog, a_job, asking, raw, saying, user
from tests.intake.serving import Served, serving
from tests.intake.test_line_answers import a_sender
from tests.support.fake_desk import FakeDesk

NDJSON = {"content-type": "application/x-ndjson"}
WRONG = asking(max_tokens=-1)


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(FakeDesk(a_catalog()), tmp_path) as running:
        yield running
        assert running.troubles == []


async def post_all(served: Served, jobs: list[Any], query: str = "") -> httpx2.Response:
    body = b"\n".join(raw(job) for job in jobs)
    return await served.client.post(f"/v1/jobs{query}", content=body, headers=NDJSON)


async def test_all_lines_are_stored_in_one_commit(served: Served) -> None:
    stored = await post_all(served, [a_job() for _ in range(1_200)])
    assert stored.status_code == 201
    assert stored.json() == {
        "submitted": 1_200,
        "existing": 0,
        "refused": 0,
        "settled_lines": 1_200,
        "ids": list(range(1, 1_201)),
        "errors": [],
    }
    assert served.desk.commits == 1


async def test_one_wrong_line_and_nothing_is_stored(served: Served) -> None:
    refused = await post_all(served, [a_job(), b"", WRONG, a_job(), b"{"])
    problem = refused.json()
    assert (refused.status_code, problem["code"], served.desk.commits) == (422, "invalid_job", 0)
    assert [(error["line"], error["field"]) for error in problem["errors"]] == [
        (3, "request.max_tokens"),
        (5, "body"),
    ]


async def test_partial_stores_the_good_lines_in_chunks_and_names_the_wrong_ones(served: Served) -> None:
    jobs = [a_job() for _ in range(1_100)]
    jobs[600] = WRONG
    answer = await post_all(served, jobs, "?partial=true")
    report = answer.json()
    assert (answer.status_code, report["submitted"], report["refused"]) == (201, 1_099, 1)
    assert [(error["line"], error["field"]) for error in report["errors"]] == [(601, "request.max_tokens")]
    assert served.desk.commits == 11


async def test_partial_names_the_lines_that_are_not_allowed_and_goes_on(served: Served) -> None:
    headers = await a_sender(served, lanes=("bulk",))
    body = b"\n".join(raw(job) for job in (a_job(), a_job(lane="interactive"), WRONG, a_job()))
    answer = await served.client.post("/v1/jobs?partial=true", content=body, headers=headers)
    report = answer.json()
    assert (answer.status_code, report["ids"], report["refused"], report["settled_lines"]) == (
        201,
        [1, 2],
        2,
        4,
    )
    assert [(error["line"], error["code"], error["field"]) for error in report["errors"]] == [
        (2, "forbidden", "lane"),
        (3, "invalid_job", "request.max_tokens"),
    ]
    assert [(one.caller, one.code) for one in served.desk.access.refusals] == [("token:ci", "forbidden")]


async def test_all_or_nothing_takes_nothing_when_one_line_is_not_allowed(served: Served) -> None:
    headers = await a_sender(served, lanes=("bulk",))
    body = b"\n".join(raw(job) for job in (a_job(), a_job(lane="interactive")))
    refused = await served.client.post("/v1/jobs", content=body, headers=headers)
    assert (refused.status_code, refused.json()["code"], served.desk.jobs) == (403, "forbidden", {})


async def test_partial_with_wrong_lines_only_stores_nothing_and_says_so(served: Served) -> None:
    answer = await post_all(served, [WRONG, WRONG], "?partial=true")
    assert (answer.status_code, answer.json()["submitted"], answer.json()["refused"]) == (200, 0, 2)


async def test_existing_jobs_are_counted_apart(served: Served) -> None:
    await post_all(served, [a_job(dedupe_key="a")])
    again = await post_all(served, [a_job(dedupe_key="a"), a_job(dedupe_key="b")])
    assert (again.json()["submitted"], again.json()["existing"], again.json()["ids"]) == (1, 1, [1, 2])
    assert (await post_all(served, [a_job(dedupe_key="a")])).status_code == 200


@pytest.mark.parametrize("body", [b"", b"\n\n \r\n"])
async def test_a_body_without_jobs_is_refused(served: Served, body: bytes) -> None:
    refused = await served.client.post("/v1/jobs", content=body, headers=NDJSON)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "body")


async def test_a_line_that_is_too_long_is_one_wrong_line(tmp_path: Path) -> None:
    async with serving(FakeDesk(a_catalog(max_body_bytes=200_000)), tmp_path) as served:
        jobs = [a_job(), saying(user("x" * 300_000)), a_job()]
        report = (await post_all(served, jobs, "?partial=1")).json()
        assert (report["submitted"], report["errors"][0]["line"]) == (2, 2)
        assert "longer than one job" in report["errors"][0]["message"]


async def test_a_lane_that_fills_up_stops_a_partial_submission_and_says_how_far_it_came(
    tmp_path: Path,
) -> None:
    async with serving(FakeDesk(a_catalog(), max_queued=650), tmp_path) as served:
        refused = await post_all(served, [a_job() for _ in range(1_000)], "?partial=true")
        problem = refused.json()
        assert (refused.status_code, problem["code"], refused.headers["retry-after"]) == (
            503,
            "lane_full",
            "30",
        )
        assert (problem["submitted"], problem["settled_lines"], len(served.desk.jobs)) == (600, 600, 600)


async def test_a_full_lane_takes_nothing_of_a_whole_submission(tmp_path: Path) -> None:
    async with serving(FakeDesk(a_catalog(), max_queued=600), tmp_path) as served:
        refused = await post_all(served, [a_job() for _ in range(1_000)])
        assert (refused.status_code, refused.json()["code"], served.desk.jobs) == (503, "lane_full", {})


async def test_thousands_of_wrong_lines_give_a_bounded_answer(served: Served) -> None:
    report = (await post_all(served, [WRONG] * 3_000, "?partial=true")).json()
    assert (report["refused"], len(report["errors"])) == (3_000, 1_000)


@given(st.lists(st.binary(max_size=12).filter(lambda line: b"\n" not in line), max_size=8), st.integers(1, 9))
def test_lines_are_found_however_the_bytes_arrive(lines: list[bytes], piece_bytes: int) -> None:
    body = b"\n".join(lines)
    splitter = LineSplitter(most_line_bytes=8)
    found = []
    for start in range(0, len(body), piece_bytes):
        found += splitter.feed(body[start : start + piece_bytes])
    found += splitter.end()
    expected = [(number, line if len(line) <= 8 else None) for number, line in enumerate(lines, 1)]
    assert [(line.number, line.text) for line in found] == [
        (number, line) for number, line in expected if line is None or line.strip()
    ]
