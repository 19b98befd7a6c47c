"""The cache over the socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.intake.builders import a_catalog
from tests.intake.serving import Served, serving
from tests.support.fake_desk import FakeDesk


@pytest_asyncio.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(FakeDesk(a_catalog()), tmp_path) as running:
        yield running


async def test_every_prefix_is_told_with_its_times_reads_and_savings(served: Served) -> None:
    found = (await served.client.get("/v1/cache")).json()
    assert found["now"] == "2026-11-22T09:00:00.000Z"
    warm, cold = found["prefixes"]
    assert warm == {
        "model": "claude-haiku-5-5",
        "prefix": "0123456789abcdef",
        "workflow": "triage",
        "prompt_name": "ticket",
        "prompt_version": "0123456789abcdef",
        "tokens": 5_120,
        "ttl": "5m",
        "why": "kept for 5m: by its own calls a token costs 5m 0.12, uncached 1.00",
        "warm_until": "2026-11-22T09:01:00.000Z",
        "writes": 2,
        "reads": 98,
        "reads_per_write": 49.0,
        "unexpected_misses": 1,
        "saved_nanousd": 43_000_000,
        "last_used": "2026-11-22T08:59:59.000Z",
    }
    assert (cold["ttl"], cold["warm_until"], cold["reads_per_write"]) == (None, None, None)


async def test_every_workflow_is_told_with_its_cached_share_and_versions(served: Served) -> None:
    [found] = (await served.client.get("/v1/cache")).json()["workflows"]
    assert (found["workflow"], found["cached_share"], found["calls"]) == ("triage", 0.8, 100)
    assert (found["prompt_tokens"], found["cache_read_tokens"]) == (600_000, 480_000)
    assert [version["version"] for version in found["versions"]] == ["0bbb", "0aaa"]
    assert found["versions"][0]["prompt_name"] == "ticket"


async def test_one_workflow_can_be_asked_about(served: Served) -> None:
    found = (await served.client.get("/v1/cache", params={"workflow": "drafts"})).json()
    assert [row["workflow"] for row in found["prefixes"]] == ["drafts"]
    assert found["workflows"] == []


async def test_unknown_parameters_are_refused(served: Served) -> None:
    response = await served.client.get("/v1/cache", params={"workfow": "drafts"})
    assert response.status_code == 400
    assert "workflow" in response.json()["detail"]
