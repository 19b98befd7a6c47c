"""The requests about the books and the prices, one method each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from claudeflow.domain.ledger import SUMS, Dimension, UsageQuestion, UsageRow, total_of
from claudeflow.intake.desks.books import BooksDesk
from claudeflow.intake.http.errors import InvalidQuery
from claudeflow.intake.http.queries import Query
from claudeflow.intake.http.responses import json_response
from claudeflow.intake.http.usage_query import HOUR_MS, PARAMETERS, read_moment, read_question
from claudeflow.intake.times import write_time

DAY_MS = 24 * HOUR_MS


class BooksHandlers:
    """Thin: each method reads its parameters, asks the desk, and writes the answer."""

    def __init__(self, desk: BooksDesk, clock_ms: Callable[[], int]) -> None:
        self._desk = desk
        self._clock_ms = clock_ms

    async def usage(self, request: Request) -> Response:
        """GET /v1/usage: sums of usage by dimensions."""
        question = read_question(Query(request, PARAMETERS), self._clock_ms())
        return json_response(_usage_to_json(question, await self._desk.usage(question)))

    async def submitters(self, request: Request) -> Response:
        """GET /v1/usage/submitters: what the jobs of each submitter cost, by whole days."""
        query, now_ms = Query(request, frozenset({"since", "until"})), self._clock_ms()
        since_ms = read_moment("since", query.text("since") or "month", now_ms)
        until = query.text("until")
        until_ms = None if until is None else -(-read_moment("until", until, now_ms) // DAY_MS) * DAY_MS
        since_ms -= since_ms % DAY_MS
        if until_ms is not None and until_ms <= since_ms:
            raise InvalidQuery(f"until ({until}) is not after since: nothing lies between them")
        rows = await self._desk.by_submitter(since_ms, until_ms)
        window = {"since": write_time(since_ms), "until": write_time(until_ms)}
        return json_response({**window, "rows": [asdict(row) for row in rows]})

    async def check_prices(self, request: Request) -> Response:
        """GET /v1/prices/check: what is to be said about the prices of the models in use."""
        Query(request)
        findings = await self._desk.check_prices()
        return json_response({"findings": [asdict(finding) for finding in findings]})


def _usage_to_json(question: UsageQuestion, rows: list[UsageRow]) -> dict[str, Any]:
    """Sums as JSON; the window is in the whole hours that the books know. `null`: it has none."""
    until_ms = question.until_ms
    return {
        "since": write_time(question.since_ms - question.since_ms % HOUR_MS or None),
        "until": write_time(None if until_ms is None else until_ms + -until_ms % HOUR_MS),
        "by": list(question.by),
        "rows": [_row_to_json(question.by, row) for row in rows],
        "total": _row_to_json((), total_of(rows)),
    }


def _row_to_json(by: tuple[Dimension, ...], row: UsageRow) -> dict[str, Any]:
    key = {str(dimension): value or None for dimension, value in zip(by, row.key, strict=True)}
    sums = {name: getattr(row, name) for name in SUMS}
    return {**key, **sums, "cached_share": row.cached_share, "saved_share": row.saved_share}
