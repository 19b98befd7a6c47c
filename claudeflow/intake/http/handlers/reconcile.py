"""The requests about books and reports, one method each."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from claudeflow.intake.desks.reconcile import ReconcileDesk
from claudeflow.intake.http.bodies import read_body
from claudeflow.intake.http.errors import InvalidQuery
from claudeflow.intake.http.queries import Query
from claudeflow.intake.http.responses import json_response
from claudeflow.intake.http.usage_query import read_moment

MOST_BODY_BYTES = 64 * 1024
_NAMES = ("since", "until")


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
        query, now_ms = Query(request, frozenset(_NAMES)), self._clock_ms()
        if (await read_body(request, MOST_BODY_BYTES)).strip():
            raise InvalidQuery("there must be no body; give since and until as parameters of the query")
        given = {name: query.text(name) for name in _NAMES}
        times = {name: read_moment(name, text, now_ms) for name, text in given.items() if text is not None}
        since_ms, until_ms = times.get("since"), times.get("until")
        if since_ms is not None and until_ms is not None and since_ms >= until_ms:
            raise InvalidQuery("since must be before until")
        return json_response(await self._desk.compare(since_ms, until_ms))
