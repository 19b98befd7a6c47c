"""Books and reports over the socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.intake.builders import a_catalog
from tests.intake.serving import Served, serving
from tests.support.fake_desk import FakeDesk
from tests.support.fake_reconcile import FOUND


@pytest_asyncio.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(FakeDesk(a_catalog()), tmp_path) as running:
        yield running


async def test_a_comparison_of_a_time(served: Served) -> None:
    served.desk.reconciliation.found = FOUND
    query = {"since": "2026-11-01T00:00:00Z", "until": "2026-11-02T00:00:00+01:00"}
    response = await served.client.post("/v1/reconcile", params=query)
    assert (response.status_code, response.json()) == (200, FOUND)
    assert served.desk.reconciliation.asked == [(1_793_491_200_000, 1_793_574_000_000)]


async def test_times_are_written_as_for_usage(served: Served) -> None:
    served.desk.reconciliation.found = FOUND
    for query in ({"since": "2026-11-22"}, {"since": "month", "until": "2026-11-22T00:00Z"}):
        assert (await served.client.post("/v1/reconcile", params=query)).status_code == 200
    november, day = 1_793_491_200_000, 1_795_305_600_000
    assert served.desk.reconciliation.asked == [(day, None), (november, day)]


async def test_a_comparison_without_a_time(served: Served) -> None:
    served.desk.reconciliation.found = FOUND
    await served.client.post("/v1/reconcile")
    assert served.desk.reconciliation.asked == [(None, None)]
    assert (await served.client.get("/v1/reconcile")).json() == FOUND


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ({"since": "yesterday"}, '"7d"'),
        ({"from": "2026-11-01T00:00:00Z"}, "since"),
        ({"since": "2026-11-02T00:00:00Z", "until": "2026-11-02T00:00:00Z"}, "before"),
    ],
)
async def test_a_wrong_time_is_refused(served: Served, query: dict[str, str], word: str) -> None:
    response = await served.client.post("/v1/reconcile", params=query)
    assert response.status_code == 400
    assert word in response.json()["detail"]


async def test_a_body_is_refused_as_nothing_in_it_would_be_read(served: Served) -> None:
    served.desk.reconciliation.found = FOUND
    response = await served.client.post("/v1/reconcile", json={"since": "2026-11-01T00:00:00Z"})
    assert (response.status_code, response.json()["code"]) == (400, "invalid_query")
    assert "since and until as parameters" in response.json()["detail"]
    assert served.desk.reconciliation.asked == []


async def test_without_a_key_or_a_comparison_the_code_says_so(served: Served) -> None:
    refused = await served.client.post("/v1/reconcile")
    assert (refused.status_code, refused.json()["code"]) == (409, "no_admin_key")
    nothing = await served.client.get("/v1/reconcile")
    assert (nothing.status_code, nothing.json()["code"]) == (404, "nothing_compared")
