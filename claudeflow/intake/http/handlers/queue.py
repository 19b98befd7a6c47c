"""The requests about who goes when, one method each."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from claudeflow.intake.desks.desk import Desk
from claudeflow.intake.envelope import read_place
from claudeflow.intake.http.bodies import check_json, read_body
from claudeflow.intake.http.guard import check_target, standing_of
from claudeflow.intake.http.queries import Query, job_id
from claudeflow.intake.http.responses import json_response
from claudeflow.intake.json_text import read_object
from claudeflow.intake.mistakes import Mistakes
from claudeflow.intake.views.jobs import explanation_to_json, limits_to_json, record_to_json

MOST_BODY_BYTES = 64 * 1024


class QueueHandlers:
    """Thin: each method reads its parameters, asks the desk, and writes the answer."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def move(self, request: Request) -> Response:
        """PATCH /v1/jobs/{id}: another lane or priority for a job that waits."""
        Query(request)
        check_json(request)
        mistakes = Mistakes()
        fields = read_object(await read_body(request, MOST_BODY_BYTES), mistakes)
        mistakes.raise_if_any()
        lane, priority = read_place(fields, self._desk.catalog, mistakes)
        mistakes.raise_if_any()
        which = job_id(request)
        await check_target(self._desk, standing_of(request), which, lane)
        return json_response(record_to_json(await self._desk.queue.move(which, lane, priority)))

    async def explain(self, request: Request) -> Response:
        """GET /v1/jobs/{id}/explain: why the job is where it is, and when it goes."""
        Query(request)
        return json_response(explanation_to_json(await self._desk.queue.explain(job_id(request))))

    async def limits(self, request: Request) -> Response:
        """GET /v1/limits: every pool's limits, and who waits for what."""
        Query(request)
        return json_response(limits_to_json(await self._desk.queue.limits()))
