"""The Admin API: the provider's usage and cost reports, read with a key of their own.

The recommended reports are asked first, the legacy ones where an organisation does not have those.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import anthropic
import httpx2
import orjson

from claudeflow.claude.client import network
from claudeflow.claude.report_sums import ReportSums
from claudeflow.claude.settings import ClaudeSettings
from claudeflow.domain.reconciliation import DAY_MS, BillingReport, ReportProblem

ANALYTICS, LEGACY = "analytics", "legacy"
TIMEOUT_S = 60.0
MOST_ROWS = 1_000
MOST_HOURS = 168
MOST_DAYS = 31

NOT_ALLOWED = (
    "this key may not read usage and cost reports: individual accounts have none, and only an admin of "
    "the organisation can make a key that may"
)
_TOKENS = "tokens"
_MALFORMED = (KeyError, TypeError, ValueError, AttributeError, InvalidOperation)


class AdminClient:
    """Asks for reports with a key that is used for nothing else.

    `api_key_id` and `workspace_id` narrow the reports to what the daemon calls with; empty: everything.
    """

    def __init__(
        self,
        settings: ClaudeSettings,
        admin_key: str,
        *,
        api_key_id: str = "",
        workspace_id: str = "",
        http_client: httpx2.AsyncClient | None = None,
    ) -> None:
        """`http_client` stands in for the network."""
        self._settings = settings
        self._narrowed = {
            name: [value]
            for name, value in (("api_key_ids", api_key_id), ("workspace_ids", workspace_id))
            if value
        }
        self._sdk = anthropic.AsyncAnthropic(
            api_key=admin_key,
            base_url=settings.base_url,
            timeout=httpx2.Timeout(TIMEOUT_S),
            default_headers={"anthropic-version": settings.api_version, "accept-encoding": "identity"},
            http_client=http_client or network(settings),
            open_telemetry=False,
        )

    async def report(self, since_ms: int, until_ms: int) -> BillingReport | ReportProblem:
        """What the provider says about a window in whole hours. Failures are outcomes, in words."""
        try:
            try:
                return await self._analytics(since_ms, until_ms)
            except (anthropic.NotFoundError, anthropic.PermissionDeniedError):
                return await self._legacy(since_ms, until_ms)
        except anthropic.APIError as error:
            return _problem(error, self._settings.base_url)
        except _MALFORMED as error:
            text = f"the report has another shape than is documented ({type(error).__name__})"
            return ReportProblem(text)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._sdk.close()

    async def _analytics(self, since_ms: int, until_ms: int) -> BillingReport:
        reports = self._sdk.beta.organization.analytics
        sums = ReportSums()
        asked: dict[str, Any] = {
            "starting_at": _moment(since_ms),
            "ending_at": _moment(until_ms),
            "time_bucket_width": "1h",
            "limit": MOST_ROWS,
            "order_by": "time",
            "order": "asc",
            **self._narrowed,
        }
        usage = await reports.usage.list(group_by=["model", "service_tier"], **asked)
        refreshed = usage.data_refreshed_at
        async for row in usage:
            sums.add_usage(_ms(row.starting_at), row.group, row.usage)
        async for item in await reports.cost.list(group_by=["model", "service_tier", "cost_type"], **asked):
            if item.group.cost_type == _TOKENS:
                cost = item.cost
                sums.add_cost(
                    _ms(item.starting_at), item.group, Decimal(cost.list_amount), Decimal(cost.amount)
                )
        complete_ms = until_ms if refreshed is None else min(until_ms, _ms(refreshed))
        return self._report(ANALYTICS, sums, (since_ms, until_ms), complete_ms, sums.notes())

    async def _legacy(self, since_ms: int, until_ms: int) -> BillingReport:
        sums = ReportSums()
        window = {"starting_at": _moment(since_ms), "ending_at": _moment(until_ms)}
        asked = {
            **window,
            "bucket_width": "1h",
            "limit": MOST_HOURS,
            "group_by": ["model", "service_tier"],
            **self._narrowed,
        }
        async for start_ms, row in self._legacy_rows("usage_report/messages", asked):
            sums.add_usage(start_ms, row, row)
        whole_days = (-(-since_ms // DAY_MS) * DAY_MS, until_ms // DAY_MS * DAY_MS)
        costed = whole_days if whole_days[0] < whole_days[1] and self._knows_our_costs else (0, 0)
        if costed != (0, 0):
            days = {
                "starting_at": _moment(costed[0]),
                "ending_at": _moment(costed[1]),
                "bucket_width": "1d",
                "limit": MOST_DAYS,
                "group_by": ["workspace_id", "description"],
            }
            async for start_ms, row in self._legacy_rows("cost_report", days):
                if row["cost_type"] == _TOKENS and self._is_our_workspace(row["workspace_id"]):
                    amount = Decimal(row["amount"])
                    sums.add_cost(start_ms, row, amount, amount)
        return self._report(LEGACY, sums, costed, until_ms, self._legacy_notes())

    async def _legacy_rows(
        self, name: str, asked: dict[str, Any]
    ) -> AsyncIterator[tuple[int, dict[str, Any]]]:
        """Every row of a legacy report with the start of its bucket, page by page."""
        page: str | None = None
        while True:
            query = asked if page is None else {**asked, "page": page}
            response = await self._sdk.get(
                f"/v1/organizations/{name}", cast_to=httpx2.Response, options={"params": query}
            )
            document = orjson.loads(response.content)
            for bucket in document["data"]:
                start_ms = _ms(datetime.fromisoformat(bucket["starting_at"]))
                for row in bucket["results"]:
                    yield start_ms, row
            page = document["next_page"] if document["has_more"] else None
            if page is None:
                return

    @property
    def _knows_our_costs(self) -> bool:
        """The legacy cost report tells workspaces apart, but not keys."""
        return "api_key_ids" not in self._narrowed

    def _is_our_workspace(self, workspace_id: str | None) -> bool:
        wanted = self._narrowed.get("workspace_ids")
        return wanted is None or workspace_id in wanted

    def _legacy_notes(self) -> tuple[str, ...]:
        if self._knows_our_costs:
            return ("the legacy cost report knows whole days only: costs of other days are not compared",)
        return ("the legacy cost report does not tell keys apart: costs are not compared",)

    def _report(
        self,
        source: str,
        sums: ReportSums,
        costed: tuple[int, int],
        complete_ms: int,
        notes: tuple[str, ...],
    ) -> BillingReport:
        named = [value for values in self._narrowed.values() for value in values]
        return BillingReport(
            source=source,
            scope=" in ".join(named) or "the whole organisation",
            usage=sums.cells(),
            rounding_nanousd=sums.rounding_nanousd,
            costs_since_ms=costed[0],
            costs_until_ms=costed[1],
            complete_until_ms=complete_ms,
            whole_organization=not named,
            notes=notes,
        )


def _problem(error: anthropic.APIError, base_url: str) -> ReportProblem:
    """What went wrong, in words that quote nothing of the answer."""
    match error:
        case anthropic.APIConnectionError():
            return ReportProblem(f"no answer from {base_url}: try again later")
        case anthropic.AuthenticationError():
            text = "the API does not accept the admin key: give one of this organisation (sk-ant-admin…)"
            return ReportProblem(text)
        case anthropic.PermissionDeniedError() | anthropic.NotFoundError():
            return ReportProblem(NOT_ALLOWED)
        case anthropic.RateLimitError():
            return ReportProblem("reports were asked for too often: wait a minute")
        case anthropic.APIStatusError():
            return ReportProblem(f"the API answered {error.status_code}: try again later")
        case _:
            return ReportProblem(f"the answer could not be read ({type(error).__name__})")


def _moment(epoch_ms: int) -> str:
    return datetime.fromtimestamp(epoch_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
