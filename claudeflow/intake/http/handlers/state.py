"""The questions of people and supervisors: how everything stands, whether it works, and what is served."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from claudeflow import __version__
from claudeflow.intake.desks.desk import READY_PHASE, Desk
from claudeflow.intake.http.errors import NotReady
from claudeflow.intake.http.openapi.document import document
from claudeflow.intake.http.queries import Query
from claudeflow.intake.http.responses import json_response
from claudeflow.intake.views.jobs import status_to_json


class StateHandlers:
    """Thin: each method asks the desk, and writes the answer."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def status(self, request: Request) -> Response:
        """GET /v1/status."""
        Query(request)
        return json_response(status_to_json(await self._desk.status()))

    async def healthy(self, request: Request) -> Response:
        """GET /-/healthy: the process answers."""
        Query(request)
        return json_response({"healthy": True})

    async def ready(self, request: Request) -> Response:
        """GET /-/ready: jobs are being worked on; 503 while the daemon starts or drains."""
        Query(request)
        phase = (await self._desk.status()).phase
        if phase != READY_PHASE:
            raise NotReady(f"the daemon is {phase}")
        return json_response({"ready": True})

    async def openapi(self, request: Request) -> Response:
        """GET /openapi.json: what is served here, as OpenAPI 3.1."""
        Query(request)
        return json_response(document(__version__))
