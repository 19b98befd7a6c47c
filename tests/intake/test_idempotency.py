"""Requests with an Idempotency-Key, over a real Unix socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx2
import pytest

from claudeflow.domain.job import JobId, NewJob
from claudeflow.domain.receipt import Receipt
from claudeflow.intake.desks.desk import Submitted
from claudeflow.intake.desks.receipts import ReceiptOf
from claudeflow.policy.access.grants import Standing
from tests.intake.builders import a_catalog, a_job, asking, raw
from tests.intake.serving import Served, serving
from tests.support.fake_desk import FakeDesk

ONE = "application/json"
MANY = "application/x-ndjson"


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(FakeDesk(a_catalog()), tmp_path) as running:
        yield running
        assert running.troubles == []


async def post(
    served: Served, body: Any, key: str | None, path: str = "/v1/jobs", kind: str = ONE
) -> httpx2.Response:
    headers = {"content-type": kind} | ({} if key is None else {"idempotency-key": key})
    return await served.client.post(path, content=raw(body), headers=headers)


def is_replay(response: httpx2.Response) -> bool:
    return response.headers.get("idempotent-replayed") == "true"


async def test_a_repeated_key_is_answered_as_the_first_was(served: Served) -> None:
    first = await post(served, a_job(), "k1")
    again = await post(served, a_job(), "k1")
    assert (first.status_code, is_replay(first)) == (201, False)
    assert (again.status_code, is_replay(again)) == (201, True)
    assert (again.content, again.headers["location"]) == (first.content, "/v1/jobs/1")
    assert len(served.desk.jobs) == 1
    other = await post(served, a_job(), "k2")
    assert (other.json()["id"], is_replay(other)) == (2, False)


async def test_a_key_in_quotes_is_the_same_key(served: Served) -> None:
    await post(served, a_job(), '"8e03978e-40d5"')
    assert is_replay(await post(served, a_job(), "8e03978e-40d5"))


@pytest.mark.parametrize(
    ("path", "kind", "body"),
    [
        ("/v1/jobs", ONE, a_job(workflow="other")),
        ("/v1/jobs", MANY, a_job()),
        ("/v1/jobs/1/cancel", ONE, b""),
    ],
)
async def test_a_key_that_came_with_something_else_is_refused(
    served: Served, path: str, kind: str, body: Any
) -> None:
    await post(served, a_job(), "k1")
    refused = await post(served, body, "k1", path, kind)
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")
    assert len(served.desk.jobs) == 1
    assert (await served.desk.job(JobId(1))).state == "queued"


async def test_another_callers_key_is_another_key(served: Served) -> None:
    await post(served, a_job(), "k1")
    [((caller, key), receipt)] = served.desk.receipts.kept.items()
    served.desk.receipts.kept = {("someone else", key): receipt}
    assert caller != "someone else"
    assert not is_replay(await post(served, a_job(), "k1"))
    assert len(served.desk.jobs) == 2


async def test_many_jobs_are_submitted_once(served: Served) -> None:
    body = b"\n".join(raw(a_job()) for _ in range(300))
    first = await post(served, body, "bulk", kind=MANY)
    again = await post(served, body, "bulk", kind=MANY)
    assert (first.status_code, again.status_code, is_replay(again)) == (201, 201, True)
    assert first.content == again.content
    assert (len(served.desk.jobs), served.desk.commits) == (300, 1)
    longer = await post(served, body + b"\n" + raw(a_job()), "bulk", kind=MANY)
    assert longer.json()["code"] == "idempotency_key_reused"


async def test_a_request_that_was_refused_may_be_put_right_under_its_key(served: Served) -> None:
    assert (await post(served, asking(max_tokens=-1), "k1")).status_code == 422
    assert (await post(served, b"{\n" + raw(a_job()), "k2", kind=MANY)).status_code == 422
    assert (await post(served, a_job(), "k1")).status_code == 201
    assert (await post(served, a_job(), "k2", kind=MANY)).status_code == 201


async def test_a_job_is_cancelled_and_queued_again_once_for_each_key(served: Served) -> None:
    await post(served, a_job(), None)
    first = await post(served, b"", "c", "/v1/jobs/1/cancel")
    assert (await post(served, b"", "r", "/v1/jobs/1/retry")).json()["state"] == "queued"
    again = await post(served, b"", "c", "/v1/jobs/1/cancel")
    assert (again.content, is_replay(again)) == (first.content, True)
    assert (await served.desk.job(JobId(1))).state == "queued"


async def test_a_keyed_hold_reads_its_body_as_any_other(served: Served) -> None:
    hold = {"scope": "lane:bulk", "reason": "quarter-end"}
    first = await post(served, hold, "h", "/v1/holds")
    again = await post(served, hold, "h", "/v1/holds")
    assert (first.status_code, again.status_code, is_replay(again)) == (201, 201, True)
    assert again.headers["location"] == first.headers["location"]


async def test_a_key_is_in_use_while_its_request_is_carried_out(tmp_path: Path) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    class SlowDesk(FakeDesk):
        async def submit(
            self,
            jobs: Sequence[NewJob],
            receipt_of: ReceiptOf | None = None,
            *,
            by: Standing | None = None,
        ) -> list[Submitted]:
            begun.set()
            await go_on.wait()
            return await super().submit(jobs, receipt_of, by=by)

    async with serving(SlowDesk(a_catalog()), tmp_path) as served:
        first = asyncio.create_task(post(served, a_job(), "k1"))
        await begun.wait()
        meanwhile = await post(served, a_job(), "k1")
        go_on.set()
        assert (meanwhile.status_code, meanwhile.json()["code"]) == (409, "idempotency_key_in_use")
        assert (await first).status_code == 201
        assert is_replay(await post(served, a_job(), "k1"))


@pytest.mark.parametrize("key", ["", '""', "k" * 201, 'a"b', "a\\b", "schl\u00fcssel".encode()])
async def test_what_is_no_key_is_refused(served: Served, key: Any) -> None:
    headers: list[tuple[bytes, bytes]] = [
        (b"content-type", ONE.encode()),
        (b"idempotency-key", key if isinstance(key, bytes) else key.encode()),
    ]
    refused = await served.client.post("/v1/jobs", content=raw(a_job()), headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_idempotency_key")
    assert served.desk.jobs == {}


async def test_two_keys_are_none(served: Served) -> None:
    headers = [("content-type", ONE), ("idempotency-key", "a"), ("idempotency-key", "b")]
    refused = await served.client.post("/v1/jobs", content=raw(a_job()), headers=headers)
    assert refused.json()["code"] == "invalid_idempotency_key"


async def test_jobs_that_are_stored_in_parts_take_no_key(served: Served) -> None:
    refused = await post(served, a_job(), "k1", "/v1/jobs?partial=true", MANY)
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_idempotency_key")
    assert "dedupe_key" in refused.json()["detail"]


async def test_the_receipt_is_kept_with_the_jobs_and_never_alone(tmp_path: Path) -> None:
    class BrokenDesk(FakeDesk):
        async def submit(
            self,
            jobs: Sequence[NewJob],
            receipt_of: ReceiptOf | None = None,
            *,
            by: Standing | None = None,
        ) -> list[Submitted]:
            assert receipt_of is not None
            found: Receipt = receipt_of([Submitted(JobId(7), created=True)])
            assert (found.key, found.status, found.location) == ("k1", 201, "/v1/jobs/7")
            raise RuntimeError

    desk = BrokenDesk(a_catalog())
    async with serving(desk, tmp_path) as served:
        assert (await post(served, a_job(), "k1")).status_code == 500
    assert desk.receipts.kept == {}
