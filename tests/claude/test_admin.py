"""The client of the Admin API: what it sends, and what it makes of refusals and strange answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from claudeflow.claude.admin import AdminClient
from claudeflow.claude.settings import ClaudeSettings
from claudeflow.domain.reconciliation import DAY_MS, BillingReport, Cell, ReportProblem

ADMIN_KEY = "sk-ant-admin01-secret"
DAY = 20_500 * DAY_MS
USAGE = {
    "uncached_input_tokens": 1,
    "cache_creation": {"ephemeral_1h_input_tokens": 2, "ephemeral_5m_input_tokens": 3},
    "cache_read_input_tokens": 4,
    "output_tokens": 5,
    "server_tool_use": {"web_search_requests": 6},
}
Answer = Callable[[httpx2.Request], httpx2.Response]


def error(status: int, kind: str = "api_error") -> httpx2.Response:
    body = {"type": "error", "error": {"type": kind, "message": "your prompt said: secret"}}
    return httpx2.Response(status, json=body, headers={"x-should-retry": "false"})


def page(data: list[Any], **more: Any) -> httpx2.Response:
    return httpx2.Response(200, json={"data": data, "has_more": False, "next_page": None, **more})


def legacy_only(usage: list[Any], costs: list[Any]) -> Answer:
    """An organisation without the recommended reports."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        if "analytics" in request.url.path:
            return error(403, "permission_error")
        return page(usage if "usage" in request.url.path else costs)

    return answer


async def reported(
    answer: Answer, until_ms: int = DAY + DAY_MS, **scope: str
) -> tuple[BillingReport | ReportProblem, list[httpx2.Request]]:
    seen: list[httpx2.Request] = []

    def note(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return answer(request)

    http = httpx2.AsyncClient(transport=httpx2.MockTransport(note))
    settings = ClaudeSettings(base_url="http://api.test")
    client = AdminClient(settings, ADMIN_KEY, http_client=http, **scope)
    try:
        return await client.report(DAY, until_ms), seen
    finally:
        await client.aclose()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda _: error(401, "authentication_error"), "does not accept the admin key"),
        (lambda _: error(403, "permission_error"), "may not read usage"),
        (lambda _: error(404, "not_found_error"), "may not read usage"),
        (lambda _: error(429, "rate_limit_error"), "wait a minute"),
        (lambda _: error(500), "answered 500"),
        (lambda _: page([{"odd": 1}]), "another shape"),
        (lambda _: page("odd"), ""),  # type: ignore[arg-type]
        (lambda _: httpx2.Response(200, text="<html>"), ""),
    ],
)
async def test_every_failure_is_words_that_quote_nothing(answer: Answer, words: str) -> None:
    found, _ = await reported(answer)
    assert isinstance(found, ReportProblem)
    assert words in found.message
    assert "secret" not in found.message


async def test_no_connection_is_a_problem_and_no_exception() -> None:
    def refuse(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("no route", request=request)

    found, _ = await reported(refuse)
    assert isinstance(found, ReportProblem)
    assert "no answer from http://api.test" in found.message


async def test_the_admin_key_goes_to_the_admin_api_and_nowhere_else() -> None:
    _, seen = await reported(legacy_only([], []))
    assert {request.headers["authorization"] for request in seen} == {f"Bearer {ADMIN_KEY}"}
    assert all(request.url.path.startswith("/v1/organizations/") for request in seen)


async def test_both_reports_are_narrowed_to_what_the_daemon_calls_with() -> None:
    _, seen = await reported(lambda _: page([]), api_key_id="apikey_1", workspace_id="wrkspc_1")
    assert len(seen) == 2
    for request in seen:
        assert request.url.params.get_list("api_key_ids[]") == ["apikey_1"]
        assert request.url.params.get_list("workspace_ids[]") == ["wrkspc_1"]


async def test_legacy_costs_of_another_workspace_are_not_ours() -> None:
    row = {"cost_type": "tokens", "model": "m", "service_tier": "standard", "amount": "12.5"}
    rows = [{**row, "workspace_id": "wrkspc_1"}, {**row, "workspace_id": "wrkspc_2"}]
    rows.append({**row, "workspace_id": "wrkspc_1", "cost_type": "web_search"})
    buckets = [{"starting_at": "2026-02-16T00:00:00Z", "results": rows}]
    found, _ = await reported(legacy_only([], buckets), workspace_id="wrkspc_1")
    assert isinstance(found, BillingReport)
    assert [sums.cost_nanousd for sums in found.usage.values()] == [125_000_000]
    assert list(found.rounding_nanousd.values()) == [1_000_000]
    assert not found.whole_organization


async def test_legacy_costs_cannot_be_told_by_key() -> None:
    found, seen = await reported(legacy_only([], []), api_key_id="apikey_1")
    assert isinstance(found, BillingReport)
    assert found.costs_since_ms == found.costs_until_ms
    assert not any("cost_report" in request.url.path for request in seen)


async def test_legacy_reports_are_read_to_their_last_page() -> None:
    bucket = {
        "starting_at": "2026-02-16T00:00:00Z",
        "results": [{"model": "m", "service_tier": None, **USAGE}],
    }

    def answer(request: httpx2.Request) -> httpx2.Response:
        if "analytics" in request.url.path:
            return error(404, "not_found_error")
        if "cost" in request.url.path:
            return page([])
        is_last = request.url.params.get("page") == "page_2"
        body = {"data": [bucket], "has_more": not is_last, "next_page": None if is_last else "page_2"}
        return httpx2.Response(200, json=body)

    found, _ = await reported(answer)
    assert isinstance(found, BillingReport)
    assert [sums.output_tokens for sums in found.usage.values()] == [10]


async def test_rows_of_one_day_are_added_up() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        hours = [f"2026-02-16T0{hour}:00:00Z" for hour in (1, 2)]
        group = {"model": "m", "service_tier": None, "cost_type": "tokens"}
        part = (
            {"usage": {**USAGE, "total_tokens": 15}}
            if request.url.path.endswith("usage")
            else {"cost": {"amount": "0.9", "list_amount": "1.0", "currency": "USD"}}
        )
        rows = [{"starting_at": hour, "ending_at": hour, "group": group, **part} for hour in hours]
        if "cost" in part:
            rows.append({**rows[0], "group": {**group, "model": None, "cost_type": "web_search"}})
        return page(rows, data_refreshed_at="2026-02-16T12:00:00Z")

    found, _ = await reported(answer)
    assert isinstance(found, BillingReport)
    [(cell, sums)] = found.usage.items()
    assert cell == Cell(DAY, "m", "standard")
    assert (sums.input_tokens, sums.cache_write_5m_tokens, sums.cache_write_1h_tokens) == (2, 6, 4)
    assert (sums.web_searches, sums.cost_nanousd) == (12, 20_000_000)
    assert found.complete_until_ms == DAY + DAY_MS // 2
    assert found.notes == ("costs are compared at list price; charged was 10.0% less",)
