"""The requests about the cache."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from claudeflow.intake.desks.cache import CacheDesk
from claudeflow.intake.http.queries import Query
from claudeflow.intake.http.responses import json_response
from claudeflow.intake.views.cache import cache_to_json


class CacheHandlers:
    """Thin: reads the parameters, asks the desk, and writes the answer."""

    def __init__(self, desk: CacheDesk) -> None:
        self._desk = desk

    async def report(self, request: Request) -> Response:
        """GET /v1/cache: known prefixes, and the cached share of every workflow."""
        workflow = Query(request, frozenset({"workflow"})).text("workflow")
        return json_response(cache_to_json(await self._desk.report(workflow)))
