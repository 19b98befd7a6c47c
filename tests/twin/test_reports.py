"""The Admin API of the twin: usage and cost reports of its own invoice, asked by the SDK and by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import anthropic
import httpx2
import pytest

from claudeflow.twin.admin import ANALYTICS_BETA
from claudeflow.twin.billing import price_parts
from claudeflow.twin.engine import Twin
from claudeflow.twin.request import api_key_id
from claudeflow.twin.transport import TwinTransport
from tests.twin.builders import EPOCH_S, WoundClock, a_call, a_twin, json_of, text_block

HOUR_S = 3_600
DAY_S = 86_400
ADMIN = {"x-api-key": "sk-ant-admin-1", "anthropic-version": "2023-06-01", "anthropic-beta": ANALYTICS_BETA}
START_S = (EPOCH_S + 100) // DAY_S * DAY_S
LEGACY_USAGE, LEGACY_COST = "usage_report/messages", "cost_report"
USAGE, COST = "analytics/usage", "analytics/cost"


def moment(epoch_s: float) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).isoformat()


async def asked(twin: Twin, path: str, headers: Any = None, **query: Any) -> tuple[int, Any]:
    """Status and document of one report; lists are repeated parameters."""
    query = {"starting_at": moment(START_S), "ending_at": moment(START_S + 2 * DAY_S), **query}
    wanted = {f"{name}[]" if isinstance(value, list) else name: value for name, value in query.items()}
    text = urlencode({name: value for name, value in wanted.items() if value is not None}, doseq=True)
    answer = await twin.handle(
        a_call(f"/v1/organizations/{path}?{text}", method="GET", headers=headers or ADMIN)
    )
    return answer.status, json_of(answer)


async def used(clock: WoundClock, **settings: Any) -> Twin:
    """A twin with three calls: two now, one of another model, key and workspace 90 minutes later."""
    twin = a_twin(clock, **settings)
    for _ in range(2):
        await twin.handle(a_call(system=[text_block(8_000, ttl="1h")]))
    clock.advance(1.5 * HOUR_S)
    other = {"x-api-key": "k2", "anthropic-version": "2023-06-01", "anthropic-workspace-id": "wrkspc_b"}
    await twin.handle(a_call(model="claude-opus-5-5", headers=other))
    clock.advance(HOUR_S)
    return twin


def tokens_of(rows: list[dict[str, Any]]) -> int:
    return sum(
        row["uncached_input_tokens"]
        + row["cache_read_input_tokens"]
        + sum(row["cache_creation"].values())
        + row["output_tokens"]
        for row in rows
    )


def invoiced(twin: Twin) -> int:
    return sum(line.tokens.prompt + line.tokens.output for line in twin.invoice().lines)


@pytest.mark.parametrize("width", ["1m", "1h", "1d"])
async def test_the_legacy_usage_is_the_invoice_in_buckets(width: str) -> None:
    twin = await used(WoundClock())
    pages, page = [], None
    while True:
        _, document = await asked(twin, LEGACY_USAGE, bucket_width=width, page=page)
        pages += document["data"]
        page = document["next_page"]
        if not document["has_more"]:
            break
    assert len(pages) == 2 * {"1m": 1_440, "1h": 24, "1d": 1}[width]
    assert tokens_of([row for bucket in pages for row in bucket["results"]]) == invoiced(twin)


async def test_legacy_groups_and_filters() -> None:
    twin = await used(WoundClock())
    _, document = await asked(twin, LEGACY_USAGE, group_by=["model", "workspace_id", "api_key_id"])
    rows = [row for bucket in document["data"] for row in bucket["results"]]
    assert {(row["model"], row["workspace_id"], row["api_key_id"]) for row in rows} == {
        ("claude-opus-5", None, api_key_id("k")),
        ("claude-opus-5-5", "wrkspc_b", api_key_id("k2")),
    }
    _, narrowed = await asked(twin, LEGACY_USAGE, group_by=["model"], api_key_ids=[api_key_id("k2")])
    [row] = [row for bucket in narrowed["data"] for row in bucket["results"]]
    assert row["model"] == "claude-opus-5-5"


async def test_the_legacy_cost_is_in_cents_by_model_and_kind_of_token() -> None:
    twin = await used(WoundClock())
    _, document = await asked(twin, LEGACY_COST, group_by=["description"])
    rows = [row for bucket in document["data"] for row in bucket["results"]]
    cents = sum(Decimal(row["amount"]) for row in rows)
    assert float(cents) == pytest.approx(twin.invoice().total_nanousd / 10_000_000, abs=1e-4)
    assert {row["cost_type"] for row in rows} == {"tokens"}
    assert "cache_creation.ephemeral_1h_input_tokens" in {row["token_type"] for row in rows}


@pytest.mark.parametrize("width", [None, "1h", "1d"])
async def test_the_sdk_reads_the_recommended_reports(width: Any) -> None:
    twin = await used(WoundClock())
    http = httpx2.AsyncClient(transport=TwinTransport(twin))
    when: dict[str, Any] = {"starting_at": moment(START_S), "ending_at": moment(START_S + DAY_S)}
    if width:
        when["time_bucket_width"] = width
    async with anthropic.AsyncAnthropic(api_key="sk-ant-admin-1", http_client=http) as client:
        reports = client.beta.organization.analytics
        usage = [row async for row in await reports.usage.list(group_by=["model"], limit=1, **when)]
        costs = [row async for row in await reports.cost.list(group_by=["model", "cost_type"], **when)]

    assert {row.group.model for row in usage} == {"claude-opus-5", "claude-opus-5-5"}
    assert sum(row.usage.total_tokens for row in usage) == invoiced(twin)
    assert sum(row.usage.requests or 0 for row in usage) == 3
    listed = sum(Decimal(row.cost.list_amount) for row in costs)
    assert float(listed) == pytest.approx(twin.invoice().total_nanousd / 10_000_000, abs=1e-4)
    assert {row.group.cost_type for row in costs} == {"tokens"}


async def test_rows_are_ranked_by_time_or_size() -> None:
    twin = await used(WoundClock())
    group = {"group_by": ["model"], "time_bucket_width": "1h"}
    _, largest = await asked(twin, USAGE, **group)
    _, oldest = await asked(twin, USAGE, **group, order_by="time", order="asc")
    assert [row["usage"]["total_tokens"] for row in largest["data"]] == sorted(
        (row["usage"]["total_tokens"] for row in largest["data"]), reverse=True
    )
    starts = [row["starting_at"] for row in oldest["data"]]
    assert starts == sorted(starts)
    assert len(starts) == 2


async def test_a_call_appears_after_the_delay() -> None:
    clock = WoundClock()
    twin = a_twin(clock, report_delay_s=300.0)
    await twin.handle(a_call())
    clock.advance(299)
    _, before = await asked(twin, USAGE)
    clock.advance(2)
    _, after = await asked(twin, USAGE)
    assert (len(before["data"]), len(after["data"])) == (0, 1)
    assert after["data_refreshed_at"] < moment(clock.epoch())


async def test_a_share_of_the_calls_may_be_missing() -> None:
    clock = WoundClock()
    twin = a_twin(clock, report_lost_share=0.5)
    for _ in range(40):
        await twin.handle(a_call())
    clock.advance(HOUR_S)
    _, document = await asked(twin, USAGE)
    assert 5 < document["data"][0]["usage"]["requests"] < 35
    assert document == (await asked(twin, USAGE))[1]


async def test_each_kind_of_key_opens_its_own_door() -> None:
    twin = a_twin()
    ordinary = {**ADMIN, "x-api-key": "sk-ant-api03-x"}
    assert (await asked(twin, USAGE, headers=ordinary))[0] == 401
    refused = await twin.handle(a_call(headers=ADMIN))
    assert refused.status == 401
    listed = a_twin(admin_keys=("sk-ant-admin-2",))
    assert (await asked(listed, USAGE))[0] == 401


async def test_an_organisation_may_have_the_legacy_reports_alone() -> None:
    twin = a_twin(analytics=False)
    assert (await asked(twin, USAGE))[0] == 404
    assert (await asked(twin, LEGACY_USAGE))[0] == 200


@pytest.mark.parametrize(
    ("path", "query", "words"),
    [
        (USAGE, {"starting_at": None}, "starting_at: Field required"),
        (USAGE, {"starting_at": "2026-11-18"}, "RFC 3339"),
        (USAGE, {"starting_at": moment(START_S - 400 * DAY_S)}, "365 days"),
        (USAGE, {"ending_at": moment(START_S + 40 * DAY_S)}, "31 days"),
        (USAGE, {"time_bucket_width": "1h", "ending_at": None}, "ending_at: Field required"),
        (USAGE, {"time_bucket_width": "1m"}, "24 hours"),
        (USAGE, {"time_bucket_width": "2h"}, "time_bucket_width"),
        (USAGE, {"group_by": ["colour"]}, "colour is not supported"),
        (USAGE, {"limit": 1_001}, "between 1 and 1000"),
        (USAGE, {"page": "x"}, "next_page"),
        (LEGACY_USAGE, {"bucket_width": "1h", "limit": 169}, "between 1 and 168"),
        (LEGACY_COST, {"bucket_width": "1h"}, "bucket_width"),
    ],
)
async def test_what_the_api_refuses_is_refused(path: str, query: dict[str, Any], words: str) -> None:
    status, document = await asked(a_twin(), path, **query)
    assert status == 400
    assert words in document["error"]["message"]


async def test_the_beta_must_be_asked_for() -> None:
    headers = {name: value for name, value in ADMIN.items() if name != "anthropic-beta"}
    status, document = await asked(a_twin(), COST, headers=headers)
    assert status == 400
    assert ANALYTICS_BETA in document["error"]["message"]


async def test_a_stream_is_reported_as_billed() -> None:
    clock = WoundClock()
    twin = a_twin(clock)
    await twin.handle(a_call(stream=True))
    clock.advance(HOUR_S)
    _, document = await asked(twin, USAGE)
    assert document["data"][0]["usage"]["total_tokens"] == invoiced(twin)


@pytest.mark.parametrize("number", range(5))
async def test_the_parts_of_a_cost_add_up_to_it(number: int) -> None:
    twin = a_twin()
    question = {"role": "user", "content": "why? " * number + "[[answer 7 tokens]]"}
    await twin.handle(a_call(messages=[question], model="claude-haiku-5-5", inference_geo="us"))
    [line] = twin.invoice().lines
    assert sum(price_parts(line).values()) == line.cost_nanousd
