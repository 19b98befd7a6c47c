"""Keyed requests are known to a daemon's successor."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx2

from claudeflow.intake.http.app import build_app
from claudeflow.intake.http.door.peers import PEER, own_process
from tests.support.daemons import Bench, a_job, opened

KEYED = {"idempotency-key": "k1"}


def a_client(bench: Bench) -> httpx2.AsyncClient:
    app = build_app(bench.parts.desk, bench.clock.epoch_ms)

    async def as_own_user(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "state": {PEER: own_process()}}, receive, send)

    return httpx2.AsyncClient(transport=httpx2.ASGITransport(as_own_user), base_url="http://claudeflow")


async def test_a_repeated_request_is_no_second_job_after_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path) as bench, a_client(bench) as client:
        first = await client.post("/v1/jobs", json=a_job(), headers=KEYED)
        cancelled = await client.post("/v1/jobs/1/cancel", headers={"idempotency-key": "c1"})
    async with opened(tmp_path) as bench, a_client(bench) as client:
        again = await client.post("/v1/jobs", json=a_job(), headers=KEYED)
        assert (first.status_code, again.status_code) == (201, 201)
        assert (again.content, again.headers["location"]) == (first.content, first.headers["location"])
        assert again.headers["idempotent-replayed"] == "true"
        assert (await client.post("/v1/jobs", json=a_job(2), headers=KEYED)).status_code == 422
        repeated = await client.post("/v1/jobs/1/cancel", headers={"idempotency-key": "c1"})
        assert repeated.content == cancelled.content
        assert repeated.headers["idempotent-replayed"] == "true"
        assert len((await client.get("/v1/jobs")).json()["jobs"]) == 1


async def test_two_at_once_with_one_key_make_one_job(tmp_path: Path) -> None:
    async with opened(tmp_path) as bench, a_client(bench) as client:
        answers = await asyncio.gather(
            *(client.post("/v1/jobs", json=a_job(), headers=KEYED) for _ in range(20))
        )
        assert {answer.status_code for answer in answers} <= {201, 409}
        assert 201 in {answer.status_code for answer in answers}
        assert len((await client.get("/v1/jobs")).json()["jobs"]) == 1
