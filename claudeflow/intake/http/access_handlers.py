"""The requests about who may do what, one method each."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from claudeflow.intake.access_views import standing_to_json
from claudeflow.intake.desks.access import AccessDesk
from claudeflow.intake.http.guard import standing_of
from claudeflow.intake.http.queries import Query
from claudeflow.intake.http.responses import json_response


class AccessHandlers:
    """Thin: each method reads its parameters, asks the desk, and writes the answer."""

    def __init__(self, desk: AccessDesk) -> None:
        self._desk = desk

    async def whoami(self, request: Request) -> Response:
        """GET /v1/whoami: who asks, and what it may do."""
        Query(request)
        standing = standing_of(request)
        return json_response(standing_to_json(standing, await self._desk.used(standing)))
