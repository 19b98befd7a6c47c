"""The HTTP interface over a real Unix socket."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import http.client
import socket
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest

from claudeflow.domain.errors import StoreError
from claudeflow.domain.job import JobId, NewJob
from claudeflow.intake.desks.desk import Submitted
from claudeflow.intake.desks.receipts import ReceiptOf
from claudeflow.policy.access.grants import Standing
from tests.intake.builders import a_catalog, a_job, asking, parsed, raw, saying, user
from tests.intake.serving import Served, serving
from tests.support.fake_desk import FakeDesk

JSON = {"content-type": "application/json"}
ANSWER = b'{"content": [{"type":"text","text":"done"}],  "stop_reason":"end_turn"}'


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(FakeDesk(a_catalog()), tmp_path) as running:
        yield running
        assert running.troubles == []


async def post(served: Served, job: Any, **headers: str) -> httpx2.Response:
    return await served.client.post("/v1/jobs", content=raw(job), headers={**JSON, **headers})


def code_of(response: httpx2.Response) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == response.status_code
    assert problem["type"] == f"urn:claudeflow:problem:{problem['code']}"
    assert problem["detail"]
    return response.status_code, problem["code"]


async def test_a_job_is_created_and_found_where_the_answer_says(served: Served) -> None:
    created = await post(served, a_job(workflow="triage", metadata={"ticket": "7"}))
    assert (created.status_code, created.json()) == (201, {"id": 1, "created": True})
    job = (await served.client.get(created.headers["location"])).json()
    assert (job["id"], job["state"], job["workflow"]) == (1, "queued", "triage")
    assert (job["metadata"], job["submitted_at"]) == ({"ticket": "7"}, "1970-01-01T00:00:00.000Z")


async def test_the_kernel_says_who_submitted_a_job(served: Served) -> None:
    await post(served, a_job(), **{"x-forwarded-for": "10.0.0.1"})
    assert served.desk.jobs[JobId(1)].submitted_by == getpass.getuser()


async def test_a_dedupe_key_that_somebody_else_has_taken_is_free(served: Served) -> None:
    [squatted] = await served.desk.submit([parsed(a_job(dedupe_key="once"), submitted_by="mallory")])
    answer = await post(served, a_job(dedupe_key="once"))
    assert (answer.status_code, answer.json()["created"]) == (201, True)
    assert answer.json()["id"] != squatted.id


async def test_a_dedupe_key_answers_with_the_existing_job(served: Served) -> None:
    await post(served, a_job(dedupe_key="once"))
    again = await post(served, a_job(dedupe_key="once"))
    assert (again.status_code, again.json()) == (200, {"id": 1, "created": False})
    assert "location" not in again.headers


async def test_a_succeeded_job_brings_its_answer_byte_for_byte(served: Served) -> None:
    await post(served, a_job())
    assert "result" not in (await served.client.get("/v1/jobs/1")).json()
    await served.desk.finish(JobId(1), ANSWER)
    found = await served.client.get("/v1/jobs/1")
    assert ANSWER in found.content
    assert found.json()["result"] == orjson.loads(ANSWER)
    assert "result" not in (await served.client.get("/v1/jobs/1?result=false")).json()


async def test_a_long_poll_returns_as_soon_as_the_job_ends(served: Served) -> None:
    await post(served, a_job())
    polling = asyncio.create_task(served.client.get("/v1/jobs/1?wait=60"))
    await served.desk.waiting.wait()
    assert not polling.done()
    await served.desk.finish(JobId(1), ANSWER)
    assert (await polling).json()["state"] == "succeeded"


async def test_a_long_poll_ends_with_the_job_as_it_is(served: Served) -> None:
    await post(served, a_job())
    assert (await served.client.get("/v1/jobs/1?wait=0.01")).json()["state"] == "queued"


async def test_jobs_are_listed_by_filter_and_page(served: Served) -> None:
    for index in range(5):
        await post(served, a_job(lane="interactive" if index == 2 else "bulk"))
    page = (await served.client.get("/v1/jobs?limit=3")).json()
    assert ([job["id"] for job in page["jobs"]], page["next"]) == ([5, 4, 3], 3)
    rest = (await served.client.get(f"/v1/jobs?limit=3&before={page['next']}")).json()
    assert ([job["id"] for job in rest["jobs"]], rest["next"]) == ([2, 1], None)
    urgent = (await served.client.get("/v1/jobs?lane=interactive&state=queued&workflow=default")).json()
    assert [job["id"] for job in urgent["jobs"]] == [3]


async def test_a_job_is_cancelled_and_retried(served: Served) -> None:
    await post(served, a_job())
    assert (await served.client.post("/v1/jobs/1/cancel")).json()["state"] == "cancelled"
    assert code_of(await served.client.post("/v1/jobs/1/cancel")) == (409, "conflict")
    assert (await served.client.post("/v1/jobs/1/retry")).json()["state"] == "queued"


async def test_status_health_and_readiness_are_served(served: Served) -> None:
    status = (await served.client.get("/v1/status")).json()
    assert (status["phase"], status["spend"]["unknown_calls"], status["holds"]) == ("running", 0, [])
    assert (await served.client.get("/-/healthy")).json() == {"healthy": True}
    assert (await served.client.get("/-/ready")).json() == {"ready": True}
    served.desk.phase = "draining"
    assert (await served.client.get("/-/healthy")).status_code == 200
    assert code_of(await served.client.get("/-/ready")) == (503, "not_ready")


@pytest.mark.parametrize(
    ("method", "target", "expected"),
    [
        ("GET", "/v1/jobs/7", (404, "job_not_found")),
        ("GET", "/v1/jobs/seven", (404, "job_not_found")),
        ("GET", "/v1/jobs/-1", (404, "job_not_found")),
        ("GET", "/v1/jobs/99999999999999999999", (404, "job_not_found")),
        ("GET", "/v1/jobs/9223372036854775808", (404, "job_not_found")),
        ("GET", "/v1/jobs/%D9%A1", (404, "job_not_found")),
        ("POST", "/v1/jobs/7/cancel", (404, "job_not_found")),
        ("POST", "/v1/jobs/7/retry", (404, "job_not_found")),
        ("GET", "/v1/jobs/1?wait=61", (400, "invalid_query")),
        ("GET", "/v1/jobs/1?wait=nan", (400, "invalid_query")),
        ("GET", "/v1/jobs/1?result=maybe", (400, "invalid_query")),
        ("GET", "/v1/jobs?limit=501", (400, "invalid_query")),
        ("GET", "/v1/jobs?limit=0", (400, "invalid_query")),
        ("GET", "/v1/jobs?state=done", (400, "invalid_query")),
        ("GET", "/v1/jobs?lanes=bulk", (400, "invalid_query")),
        ("GET", "/v1/jobs?lane=a&lane=b", (400, "invalid_query")),
        ("GET", "/v1/status?verbose=1", (400, "invalid_query")),
        ("GET", "/v2/jobs", (404, "not_found")),
        ("GET", "/v1/jobs/", (404, "not_found")),
        ("DELETE", "/v1/jobs", (405, "method_not_allowed")),
        ("GET", "/v1/jobs/1/cancel", (405, "method_not_allowed")),
    ],
)
async def test_a_wrong_request_is_answered_with_its_code(
    served: Served, method: str, target: str, expected: tuple[int, str]
) -> None:
    assert code_of(await served.client.request(method, target)) == expected


async def test_a_wrong_method_is_told_the_right_ones(served: Served) -> None:
    refused = await served.client.delete("/v1/jobs")
    assert {name.strip() for name in refused.headers["allow"].split(",")} == {"GET", "HEAD", "POST"}


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "text/plain"},
        {},
        {**JSON, "content-encoding": "gzip"},
    ],
)
async def test_bodies_of_other_kinds_are_refused(served: Served, headers: dict[str, str]) -> None:
    refused = await served.client.post("/v1/jobs", content=raw(a_job()), headers=headers)
    assert code_of(refused) == (415, "unsupported_media_type")


async def test_a_charset_beside_the_media_type_is_no_obstacle(served: Served) -> None:
    assert (
        await post(served, a_job(), **{"content-type": "Application/JSON; charset=utf-8"})
    ).status_code == 201


async def test_a_client_that_takes_no_json_is_refused(served: Served) -> None:
    assert code_of(await served.client.get("/v1/status", headers={"accept": "text/html"})) == (
        406,
        "not_acceptable",
    )


async def test_a_full_lane_says_when_to_come_back(tmp_path: Path) -> None:
    async with serving(FakeDesk(a_catalog(), max_queued=1), tmp_path) as served:
        await post(served, a_job())
        refused = await post(served, a_job())
        assert code_of(refused) == (503, "lane_full")
        assert refused.headers["retry-after"] == "30"


async def test_our_own_failure_is_reported_here_and_not_told_there(tmp_path: Path) -> None:
    class BrokenDesk(FakeDesk):
        async def submit(
            self,
            jobs: Sequence[NewJob],
            receipt_of: ReceiptOf | None = None,
            *,
            by: Standing | None = None,
        ) -> list[Submitted]:
            raise StoreError("disk I/O error at /var/lib/secret")

    async with serving(BrokenDesk(a_catalog()), tmp_path) as served:
        refused = await post(served, a_job())
        assert code_of(refused) == (503, "store_unavailable")
        assert refused.headers["retry-after"] == "10"
        assert "secret" not in refused.text
        assert [type(trouble) for trouble in served.troubles] == [StoreError]
        assert (await served.client.get("/-/healthy")).status_code == 200


async def test_a_body_that_is_too_large_is_refused(tmp_path: Path) -> None:
    async with serving(FakeDesk(a_catalog(max_body_bytes=100_000)), tmp_path) as served:
        assert code_of(await post(served, saying(user("x" * 100_000)))) == (413, "body_too_large")
        assert (await post(served, saying(user("x" * 90_000)))).status_code == 201
        assert len(served.desk.jobs) == 1


async def test_more_than_32_megabytes_are_refused(served: Served) -> None:
    assert code_of(await post(served, b" " * (32 * 1024 * 1024 + 1))) == (413, "body_too_large")


async def test_a_declared_length_far_beyond_the_limit_is_refused_before_the_body_is_read(
    served: Served,
) -> None:
    def ask() -> bytes:
        with socket.socket(socket.AF_UNIX) as raw_socket:
            raw_socket.settimeout(20)
            raw_socket.connect(str(served.path))
            raw_socket.sendall(
                b"POST /v1/jobs HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
                b"content-length: 1000000000\r\n\r\n{"
            )
            return raw_socket.recv(65_536)

    assert (await asyncio.to_thread(ask)).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("target", ["/v1/jobs", "/v1/jobs/1/cancel", "/v1/status", "/nowhere"])
async def test_a_body_without_end_is_cut_off(tmp_path: Path, target: str) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 65_536
            yield b" " * 65_536

    async with serving(FakeDesk(a_catalog(max_body_bytes=100_000)), tmp_path) as served:
        with contextlib.suppress(httpx2.HTTPError):
            await served.client.post(target, content=endless(), headers=JSON)
        assert sent < 10_000_000
        assert (await served.client.get("/-/healthy")).status_code == 200


async def test_a_client_that_leaves_in_the_middle_does_no_harm(served: Served) -> None:
    def leave() -> None:
        with socket.socket(socket.AF_UNIX) as raw_socket:
            raw_socket.connect(str(served.path))
            raw_socket.sendall(
                b"POST /v1/jobs HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
                b"content-length: 99\r\n\r\n{"
            )

    await asyncio.to_thread(leave)
    assert (await post(served, a_job())).json() == {"id": 1, "created": True}


async def test_what_is_no_http_is_refused_and_others_go_on(served: Served) -> None:
    def babble() -> bytes:
        with socket.socket(socket.AF_UNIX) as raw_socket:
            raw_socket.settimeout(20)
            raw_socket.connect(str(served.path))
            raw_socket.sendall(b"\x16\x03\x01 hello\r\n\r\n")
            return raw_socket.recv(65_536)

    assert (await asyncio.to_thread(babble)).startswith(b"HTTP/1.1 400 ")
    assert (await served.client.get("/-/healthy")).status_code == 200


async def test_plain_http_client_of_the_standard_library_works(served: Served) -> None:
    def ask() -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(served.path))
        try:
            connection.request("POST", "/v1/jobs", raw(asking()), JSON)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    assert await asyncio.to_thread(ask) == (201, b'{"id":1,"created":true}')


async def test_a_stop_lets_running_requests_end(tmp_path: Path) -> None:
    async with serving(FakeDesk(a_catalog()), tmp_path) as served:
        await post(served, a_job())
        polling = asyncio.create_task(served.client.get("/v1/jobs/1?wait=60"))
        await served.desk.waiting.wait()
        served.stop.set()
        await served.desk.finish(JobId(1), ANSWER)
        assert (await polling).json()["state"] == "succeeded"
        await served.ended


async def test_a_stop_waits_no_longer_than_the_grace(tmp_path: Path) -> None:
    async with serving(FakeDesk(a_catalog()), tmp_path, grace_s=0) as served:
        await post(served, a_job())
        polling = asyncio.create_task(served.client.get("/v1/jobs/1?wait=60"))
        await served.desk.waiting.wait()
        served.stop.set()
        await served.ended
        assert (await asyncio.gather(polling, return_exceptions=True))[0] is not None


async def test_cancelling_the_server_closes_its_connections(tmp_path: Path) -> None:
    async with serving(FakeDesk(a_catalog()), tmp_path) as served:
        await post(served, a_job())
        polling = asyncio.create_task(served.client.get("/v1/jobs/1?wait=60"))
        await served.desk.waiting.wait()
        served.ended.cancel()
        with pytest.raises(httpx2.HTTPError):
            await polling


@pytest.mark.parametrize(("method", "path"), [("PATCH", "/v1/jobs/cancel"), ("DELETE", "/v1/holds/history")])
async def test_a_path_that_is_spelt_out_is_not_taken_for_an_id(
    served: Served, method: str, path: str
) -> None:
    response = await served.client.request(method, path, json={})
    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
    assert response.headers["allow"]
