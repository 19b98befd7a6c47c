"""The requests about books and reports, one method each."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from claudeflow.domain.errors import InvalidJob
from claudeflow.intake.http.errors import InvalidQuery
from claudeflow.intake.http.queries import Query
from claudeflow.intake.http.responses import json_response
from claudeflow.intake.mistakes import Mistakes
from claudeflow.intake.reconcile_desk import ReconcileDesk
from claudeflow.intake.times import read_time

_NAMES = frozenset({"since", "until"})


class ReconcileHandlers:
    """Thin: each method reads its parameters, asks the desk, and writes the answer."""

    def __init__(self, desk: ReconcileDesk, clock_ms: Callable[[], int]) -> None:
        self._desk = desk
        self._clock_ms = clock_ms

    async def last(self, request: Request) -> Response:
        """GET /v1/reconcile: the last comparison."""
        Query(request)
        return json_response(await self._desk.last())

    async def compare(self, request: Request) -> Response:
        """POST /v1/reconcile: ask for the reports now, and compare."""
        query, mistakes = Query(request, _NAMES), Mistakes()
        now_ms = self._clock_ms()
        since_ms = read_time("since", query.text("since"), now_ms, mistakes)
        until_ms = read_time("until", query.text("until"), now_ms, mistakes)
        try:
            mistakes.raise_if_any()
        except InvalidJob as wrong:
            raise InvalidQuery(str(wrong)) from wrong
        if since_ms is not None and until_ms is not None and since_ms >= until_ms:
            raise InvalidQuery("since must be before until")
        return json_response(await self._desk.compare(since_ms, until_ms))
