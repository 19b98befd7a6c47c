"""The books over the socket: what may be asked, and what is answered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from claudeflow.domain.ledger import Dimension, UsageQuestion, UsageRow
from claudeflow.policy.money.price_check import Finding
from tests.intake.builders import NOW_MS, a_catalog
from tests.intake.serving import Served, serving
from tests.support.fake_desk import FakeDesk

DAY_MS = 86_400_000
NOVEMBER_MS = 1_793_491_200_000


@pytest.fixture
def desk() -> FakeDesk:
    return FakeDesk(a_catalog())


@pytest_asyncio.fixture
async def served(desk: FakeDesk, tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(desk, tmp_path) as running:
        yield running


async def test_rows_and_total_are_told_exactly(served: Served, desk: FakeDesk) -> None:
    desk.books.rows = [
        UsageRow(("a", ""), calls=2, input_tokens=25, cache_read_tokens=75, cost_nanousd=1, plain_nanousd=4),
        UsageRow(("b", "p"), unknown_calls=1, unknown_bound_nanousd=10**15 + 1),
    ]
    found = (await served.client.get("/v1/usage?by=workflow,prompt")).json()
    assert found["by"] == ["workflow", "prompt"]
    first, second = found["rows"]
    assert (first["workflow"], first["prompt"], first["cached_share"], first["saved_share"]) == (
        "a",
        None,
        0.75,
        0.75,
    )
    assert (second["prompt"], second["unknown_bound_nanousd"], second["cached_share"]) == (
        "p",
        10**15 + 1,
        None,
    )
    assert (found["total"]["calls"], found["total"]["unknown_bound_nanousd"]) == (2, 10**15 + 1)
    assert (found["since"], found["until"]) == ("2026-11-01T00:00:00.000Z", None)


@pytest.mark.parametrize(
    ("query", "question"),
    [
        ("", UsageQuestion(since_ms=NOVEMBER_MS)),
        ("since=all&by=", UsageQuestion()),
        ("since=7d", UsageQuestion(since_ms=NOW_MS - 7 * DAY_MS)),
        ("since=24h", UsageQuestion(since_ms=NOW_MS - DAY_MS)),
        ("since=today", UsageQuestion(since_ms=NOW_MS - NOW_MS % DAY_MS)),
        ("since=2026-11", UsageQuestion(since_ms=NOVEMBER_MS)),
        ("since=2026-11-01&until=2026-11-03", UsageQuestion((), NOVEMBER_MS, NOVEMBER_MS + 2 * DAY_MS)),
        ("since=2026-11-01T01:00%2B01:00", UsageQuestion(since_ms=NOVEMBER_MS)),
        ("since=0001-01-01T00:00%2B14:00", UsageQuestion(since_ms=0)),
        ("by=day,%20model", UsageQuestion((Dimension.DAY, Dimension.MODEL), NOVEMBER_MS)),
        (
            "lane=bulk&geo=us",
            UsageQuestion((), NOVEMBER_MS, None, ((Dimension.LANE, "bulk"), (Dimension.GEO, "us"))),
        ),
    ],
)
async def test_a_question_is_understood(
    served: Served, desk: FakeDesk, query: str, question: UsageQuestion
) -> None:
    assert (await served.client.get(f"/v1/usage?{query}")).status_code == 200
    assert desk.books.questions == [question]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("by=wurkflow", 'Did you mean "workflow"?'),
        ("by=day,day", "twice"),
        ("by=day,", "is no dimension"),
        ("since=gestern", '"2026-11-22"'),
        ("since=2026-02-30", "2026-02-30"),
        ("since=2026-11-01T09:00", "has no zone"),
        ("since=2026-W01", '"2026-11-22"'),
        ("since=20261101", '"2026-11-22"'),
        ("since=9999-12-31T23:59:59-14:00", "after the year 9999"),
        ("until=9999-12-31T23:59:59-14:00", "after the year 9999"),
        ("since=2026-11-05&until=2026-11-05", "is not after since"),
        ("day=2026-11-01", "is not a parameter here"),
    ],
)
async def test_what_is_wrong_is_refused_with_what_is_allowed(served: Served, query: str, said: str) -> None:
    answer = await served.client.get(f"/v1/usage?{query}")
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid_query"
    assert said in answer.json()["detail"]


async def test_findings_about_prices_are_told(served: Served, desk: FakeDesk) -> None:
    desk.books.findings = [Finding("error", "m", "has no price", "add it")]
    assert (await served.client.get("/v1/prices/check")).json() == {
        "findings": [{"level": "error", "model": "m", "text": "has no price", "way_out": "add it"}]
    }
