"""The drop-in endpoint over a real socket, before a desk that answers what a test tells it to."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest
import pytest_asyncio

from claudeflow.domain.errors import QueueFull, StoreError
from claudeflow.intake.desks.messages import Flow
from claudeflow.intake.http.door.peers import login_name
from tests.intake.builders import NOW_MS, a_catalog
from tests.intake.serving import Served, serving
from tests.intake.test_messages import BODY
from tests.support.fake_desk import FakeDesk
from tests.support.fake_messages import ANSWERED, FakeLine


@pytest_asyncio.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(FakeDesk(a_catalog(), now_ms=NOW_MS), tmp_path) as running:
        yield running


def error_of(response: httpx2.Response) -> tuple[int, str]:
    content: dict[str, Any] = response.json()
    assert content["type"] == "error"
    assert content["request_id"] == response.headers["request-id"]
    return response.status_code, content["error"]["type"]


async def test_somebody_is_there(served: Served) -> None:
    assert (await served.client.head("/")).status_code == 200
    assert (await served.client.get("/")).status_code == 200


async def test_an_answer_is_handed_on_as_it_is(served: Served) -> None:
    response = await served.client.post("/v1/messages?beta=true", json=BODY, headers={"accept": "text/plain"})
    assert (response.status_code, response.content) == (200, ANSWERED.body)
    assert response.headers["request-id"] == "req_1"
    [ask] = served.desk.messages.asked
    assert ask.job.dialect is not None
    assert ask.job.dialect.query == "beta=true"
    assert served.desk.messages.line.closed.is_set()


async def test_a_stream_leaves_in_pieces_and_its_line_is_closed(served: Served) -> None:
    line = served.desk.messages.line = FakeLine(
        Flow({"request-id": "req_2"}), (b"event: a\n\n", b"event: b\n\n")
    )
    response = await served.client.post("/v1/messages", json={**BODY, "stream": True})
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["request-id"] == "req_2"
    assert response.content == b"event: a\n\nevent: b\n\n"
    assert line.closed.is_set()


async def test_a_caller_that_hangs_up_is_heard(served: Served) -> None:
    line = served.desk.messages.line = FakeLine(None)
    with pytest.raises(httpx2.ReadTimeout):
        await served.client.post("/v1/messages", json=BODY, timeout=0.2)
    await line.closed.wait()
    assert line.hung_up.is_set()


async def test_mistakes_are_the_apis_invalid_requests(served: Served) -> None:
    response = await served.client.post("/v1/messages", json={}, headers={"x-claudeflow-lane": "no"})
    assert error_of(response) == (400, "invalid_request_error")
    message = response.json()["error"]["message"]
    for field in ("model", "max_tokens", "messages", "x-claudeflow-lane"):
        assert f"{field}: " in message


async def test_what_the_desk_refuses_is_told_as_by_the_api(served: Served) -> None:
    served.desk.messages.error = QueueFull("lane bulk is full", 30)
    response = await served.client.post("/v1/messages", json=BODY)
    assert error_of(response) == (429, "rate_limit_error")
    assert response.headers["retry-after"] == "30"


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/v1/messages", 405, "invalid_request_error"),
        ("POST", "/v1/messages/batches", 404, "not_found_error"),
        ("GET", "/v1/models/a/b", 404, "not_found_error"),
        ("GET", "/v1/files", 404, "not_found_error"),
        ("DELETE", "/v1/models", 405, "invalid_request_error"),
    ],
)
async def test_what_is_not_served_is_told_as_by_the_api(
    served: Served, method: str, path: str, status: int, kind: str
) -> None:
    assert error_of(await served.client.request(method, path)) == (status, kind)


async def test_whoever_looks_for_batches_is_told_where_they_are(served: Served) -> None:
    told = (await served.client.post("/v1/messages/batches", json={})).json()["error"]["message"]
    assert "send jobs to a lane with batch: docs/batches.md" in told


async def test_a_body_that_is_too_large_or_compressed_is_not_read(served: Served) -> None:
    huge = b"x" * (33 * 1024 * 1024)
    assert error_of(await served.client.post("/v1/messages", content=huge)) == (413, "request_too_large")
    zipped = await served.client.post("/v1/messages", content=b"x", headers={"content-encoding": "gzip"})
    assert error_of(zipped) == (415, "invalid_request_error")


async def test_enquiries_are_handed_on_with_what_they_say(served: Served) -> None:
    await served.client.get("/v1/models?limit=5", headers={"anthropic-beta": "x"})
    await served.client.get("/v1/models/claude%20x")
    await served.client.post("/v1/messages/count_tokens", content=b"anything")
    listed, one, counted = served.desk.messages.enquired
    assert served.desk.messages.enquirers == 3 * [login_name(os.geteuid())]
    assert (listed.path, listed.dialect.query, dict(listed.dialect.headers)) == (
        "/v1/models",
        "limit=5",
        {"anthropic-beta": "x"},
    )
    assert (one.path, one.body) == ("/v1/models/claude%20x", None)
    assert (counted.path, counted.body) == ("/v1/messages/count_tokens", b"anything")


async def test_a_store_that_fails_is_told_as_overload(served: Served) -> None:
    def full(*_: Any) -> Any:
        raise StoreError("database or disk is full")

    served.desk.messages.line.answer = full  # type: ignore[method-assign]
    response = await served.client.post("/v1/messages", json=BODY)
    assert error_of(response) == (529, "overloaded_error")
    assert response.headers["retry-after"] == "10"
    assert [type(trouble) for trouble in served.troubles] == [StoreError]


async def test_our_own_faults_are_the_apis_internal_errors(served: Served) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError

    served.desk.messages.line.answer = broken  # type: ignore[method-assign]
    response = await served.client.post("/v1/messages", json=BODY)
    assert error_of(response) == (500, "api_error")
    assert served.desk.messages.line.closed.is_set()
    assert len(served.troubles) == 1
    served.troubles.clear()
    assert orjson.loads(response.content)["error"]["message"].startswith("claudeflow failed")
