"""The Admin API as far as money goes: usage and cost reports, made of the twin's own invoice.

The recommended reports are `/v1/organizations/analytics/usage` and `…/cost` (beta); the legacy ones
`/v1/organizations/usage_report/messages` and `…/cost_report`. Calls appear some minutes after their end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from claudeflow.twin.billing import InvoiceLine
from claudeflow.twin.chance import Chance
from claudeflow.twin.errors import ApiError
from claudeflow.twin.report_query import BUCKET_S, Asked, ReportQuery, cursor_at, rfc3339
from claudeflow.twin.report_rows import Row, by_bucket, cents, costs_of, dimensions_of, rows_of, usage_of
from claudeflow.twin.request import DEFAULT_WORKSPACE
from claudeflow.twin.settings import TwinSettings

PREFIX = "/v1/organizations/"
ADMIN_KEY_BEGINS = "sk-ant-admin"
ANALYTICS_BETA = "analytics-usage-cost-2026-08-24"

_DIMENSIONS = frozenset(
    {"model", "service_tier", "speed", "inference_geo", "workspace_id", "api_key_id", "context_window"}
)
_COST_DIMENSIONS = _DIMENSIONS | {"cost_type", "token_type"}
_FILTERS = {
    "models": "model",
    "service_tiers": "service_tier",
    "speeds": "speed",
    "inference_geos": "inference_geo",
    "workspace_ids": "workspace_id",
    "api_key_ids": "api_key_id",
    "context_windows": "context_window",
}
_LEGACY_FILTERS = {**_FILTERS, "context_window": "context_window"}
# (default, most) buckets a page of the legacy usage report.
_LEGACY_LIMITS = {"1m": (60, 1_440), "1h": (24, 168), "1d": (7, 31)}
_ANALYTICS_LIMITS = (20, 1_000)
_MOST_DIMENSIONS = 5
_DAY_S = 86_400


class Reports:
    """Answers about an invoice. `now_s` is seconds since 1970."""

    def __init__(self, settings: TwinSettings, lines: list[InvoiceLine], now_s: float) -> None:
        self._settings = settings
        self._lines = lines
        self._now_s = now_s

    def answer(self, path: str, query: str, headers: Mapping[str, str]) -> dict[str, Any]:
        """The document of one report. Raises ApiError."""
        handlers: dict[str, Callable[[Asked], dict[str, Any]]] = {
            "usage_report/messages": self._legacy_usage,
            "cost_report": self._legacy_cost,
            "analytics/usage": self._usage,
            "analytics/cost": self._cost,
        }
        name = path.removeprefix(PREFIX)
        handler = handlers.get(name)
        if handler is None or (name.startswith("analytics/") and not self._settings.analytics):
            raise ApiError(404, "Not Found")
        if name.startswith("analytics/") and ANALYTICS_BETA not in headers.get("anthropic-beta", ""):
            raise ApiError(400, f"anthropic-beta: this endpoint is in beta; send {ANALYTICS_BETA}")
        return handler(Asked(query, self._now_s))

    def _usage(self, asked: Asked) -> dict[str, Any]:
        query = _analytics_query(asked, _DIMENSIONS, "total_tokens")
        rows = self._ranked(query, lambda row: row.total_tokens)
        shown, more = _page(rows, query)
        data = [
            {
                **_bounds(row),
                "group": _group(row, _DIMENSIONS),
                "usage": {**usage_of(row), "total_tokens": row.total_tokens, "requests": row.requests},
            }
            for row in shown
        ]
        return {"data": data, **more, "data_refreshed_at": rfc3339(self._fresh_s)}

    def _cost(self, asked: Asked) -> dict[str, Any]:
        query = _analytics_query(asked, _COST_DIMENSIONS, "amount")
        rows = self._ranked(query, lambda row: row.total_nanousd)
        shown, more = _page(rows, query)
        by_type, by_token = "cost_type" in query.group_by, "token_type" in query.group_by
        data = [
            {
                **_bounds(row),
                "group": {**_group(row, _COST_DIMENSIONS), **further},
                "cost": {
                    "amount": cents(nanousd),
                    "list_amount": cents(nanousd),
                    "currency": "USD",
                    "requests": None if by_type or by_token else row.requests,
                },
            }
            for row in shown
            for further, nanousd in costs_of(row, by_type=by_type, by_token=by_token)
        ]
        return {"data": data, **more, "data_refreshed_at": rfc3339(self._fresh_s)}

    def _legacy_usage(self, asked: Asked) -> dict[str, Any]:
        width = asked.choice("bucket_width", BUCKET_S, "1d")
        query = _legacy_query(asked, width, _DIMENSIONS, _LEGACY_LIMITS[width])
        empty = dict.fromkeys(_DIMENSIONS)
        return self._buckets(query, lambda row: [{**empty, **_legacy(row.group), **usage_of(row)}])

    def _legacy_cost(self, asked: Asked) -> dict[str, Any]:
        asked.choice("bucket_width", {"1d": None}, "1d")
        query = _legacy_query(asked, "1d", frozenset({"workspace_id", "description"}), _LEGACY_LIMITS["1d"])
        described = "description" in query.group_by
        return self._buckets(query, lambda row: list(_legacy_costs(row, described=described)))

    def _buckets(self, query: ReportQuery, results: Callable[[Row], list[dict[str, Any]]]) -> dict[str, Any]:
        width_s = query.width_s or _DAY_S
        dimensions = _with_description(query.group_by)
        found = by_bucket(rows_of(self._matching(query), width_s, dimensions, None))
        starts = range(query.since_s, query.until_s, width_s)
        shown = starts[query.offset : query.offset + query.limit]
        data = [
            {
                "starting_at": rfc3339(start_s),
                "ending_at": rfc3339(start_s + width_s),
                "results": [result for row in found.get(start_s, ()) for result in results(row)],
            }
            for start_s in shown
        ]
        return {"data": data, **_more(query, len(starts))}

    def _ranked(self, query: ReportQuery, metric: Callable[[Row], int]) -> list[Row]:
        whole = None if query.width_s else (query.since_s, query.until_s)
        dimensions = tuple(name for name in query.group_by if name in _DIMENSIONS)
        rows = rows_of(self._matching(query), query.width_s or _DAY_S, dimensions, whole)
        if query.order_by != "time" or whole:
            return sorted(rows, key=metric, reverse=not query.ascending)
        ranked = sorted(rows, key=metric, reverse=True)
        return sorted(ranked, key=lambda row: row.starting_s, reverse=not query.ascending)

    def _matching(self, query: ReportQuery) -> Iterator[InvoiceLine]:
        for line in self._lines:
            if not query.since_s <= line.at_epoch_s < min(query.until_s, self._fresh_s) or self._lost(line):
                continue
            values = dimensions_of(line)
            if all(values[name] in wanted for name, wanted in query.filters.items()):
                yield line

    def _lost(self, line: InvoiceLine) -> bool:
        share = self._settings.report_lost_share
        return share > 0 and Chance(self._settings.seed, line.request_id.encode()).share() < share

    @property
    def _fresh_s(self) -> float:
        return self._now_s - self._settings.report_delay_s


def _analytics_query(asked: Asked, dimensions: frozenset[str], metric: str) -> ReportQuery:
    width = asked.one("time_bucket_width")
    if width:
        asked.choice("time_bucket_width", BUCKET_S, "1d")
        if asked.moment("ending_at") is None:
            raise ApiError(400, "ending_at: Field required when time_bucket_width is set")
    since_s, until_s = asked.window(BUCKET_S.get(width, 3_600))
    if width == "1m" and until_s - since_s > _DAY_S:
        raise ApiError(400, 'ending_at: with time_bucket_width="1m" the range may span at most 24 hours')
    return ReportQuery(
        since_s=since_s,
        until_s=until_s,
        width_s=BUCKET_S.get(width),
        group_by=asked.group_by(dimensions, _MOST_DIMENSIONS),
        filters=asked.filters(_FILTERS),
        limit=asked.limit(*_ANALYTICS_LIMITS),
        offset=asked.offset(),
        order_by=asked.choice("order_by", {"time": None, metric: None}, metric),
        ascending=asked.choice("order", {"asc": None, "desc": None}, "desc") == "asc",
    )


def _legacy_query(
    asked: Asked, width: str, dimensions: frozenset[str], limits: tuple[int, int]
) -> ReportQuery:
    since_s, until_s = asked.window(BUCKET_S[width])
    return ReportQuery(
        since_s=since_s,
        until_s=until_s,
        width_s=BUCKET_S[width],
        group_by=asked.group_by(dimensions, len(dimensions)),
        filters=asked.filters(_LEGACY_FILTERS),
        limit=asked.limit(*limits),
        offset=asked.offset(),
        order_by="time",
        ascending=True,
    )


def _with_description(group_by: tuple[str, ...]) -> tuple[str, ...]:
    """What a line of the cost report describes: `description` stands for these dimensions."""
    if "description" not in group_by:
        return group_by
    others = tuple(name for name in group_by if name != "description")
    return (*others, "model", "service_tier", "context_window", "inference_geo")


def _legacy_costs(row: Row, *, described: bool) -> Iterator[dict[str, Any]]:
    group = _legacy(row.group)
    for further, nanousd in costs_of(row, by_type=described, by_token=described):
        text = f"{group['model']} Usage - {further['token_type']}" if described else None
        yield {
            "currency": "USD",
            "amount": cents(nanousd),
            "workspace_id": group.get("workspace_id"),
            "description": text,
            "cost_type": further.get("cost_type"),
            "token_type": further.get("token_type"),
            "model": group.get("model"),
            "service_tier": group.get("service_tier"),
            "context_window": group.get("context_window"),
            "inference_geo": group.get("inference_geo"),
        }


def _legacy(group: Mapping[str, str | None]) -> dict[str, str | None]:
    """The legacy reports know no id of the default workspace."""
    return {name: None if value == DEFAULT_WORKSPACE else value for name, value in group.items()}


def _group(row: Row, dimensions: frozenset[str]) -> dict[str, str | None]:
    return {name: row.group.get(name) for name in sorted(dimensions)}


def _bounds(row: Row) -> dict[str, str]:
    return {"starting_at": rfc3339(row.starting_s), "ending_at": rfc3339(row.ending_s)}


def _page(rows: list[Row], query: ReportQuery) -> tuple[list[Row], dict[str, Any]]:
    return rows[query.offset : query.offset + query.limit], _more(query, len(rows))


def _more(query: ReportQuery, total: int) -> dict[str, Any]:
    after = query.offset + query.limit
    return {"has_more": after < total, "next_page": cursor_at(after) if after < total else None}
