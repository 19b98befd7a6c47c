"""The requests about Message Batches, one method each."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from claudeflow.domain.batch import BatchState
from claudeflow.domain.errors import IntakeError, InvalidJob
from claudeflow.intake.desks.batches import BatchDesk
from claudeflow.intake.http.bodies import check_json, read_body
from claudeflow.intake.http.guard import who
from claudeflow.intake.http.queries import LARGEST_ID, Query, batch_id
from claudeflow.intake.http.responses import json_response
from claudeflow.intake.json_text import read_object
from claudeflow.intake.mistakes import Mistakes, did_you_mean, show
from claudeflow.intake.views.batches import batch_to_json, batches_to_json

MOST_BODY_BYTES = 64 * 1024
MOST_LISTED = 100
SOME_LISTED = 20

_FIELDS = ("jobs",)
_THROUGH = (BatchState.DONE, BatchState.LOST)


class BatchHandlers:
    """Thin: each method reads its parameters, asks the desk, and writes the answer."""

    def __init__(self, desk: BatchDesk) -> None:
        self._desk = desk

    async def list_batches(self, request: Request) -> Response:
        """GET /v1/batches: batches, newest first, and what waits for the next one."""
        query = Query(request, frozenset({"before", "limit"}))
        limit = query.integer("limit", 1, MOST_LISTED) or SOME_LISTED
        found = await self._desk.list_batches(query.integer("before", 1, LARGEST_ID), limit)
        through = [row.id for row in found.batches if row.state in _THROUGH]
        spends = {number: (await self._desk.batch(number))[1] for number in through}
        return json_response(batches_to_json(found, spends, limit))

    async def batch(self, request: Request) -> Response:
        """GET /v1/batches/{id}: one batch, and what it cost so far."""
        Query(request)
        row, spend = await self._desk.batch(batch_id(request))
        return json_response(batch_to_json(row, spend))

    async def cancel(self, request: Request) -> Response:
        """POST /v1/batches/{id}/cancel: have it stopped; its jobs go on in another way, or are cancelled."""
        Query(request)
        number, jobs = batch_id(request), await _with_jobs(request)
        return json_response(batch_to_json(await self._desk.cancel(number, who(request), jobs=jobs)))


async def _with_jobs(request: Request) -> bool:
    """Whether the jobs are to be cancelled too; a request without a body says no."""
    raw = await read_body(request, MOST_BODY_BYTES)
    if not raw:
        return False
    check_json(request)
    mistakes = Mistakes()
    try:
        fields = read_object(raw, mistakes)
        mistakes.raise_if_any()
    except InvalidJob as found:
        raise IntakeError(str(found)) from found
    for name in fields:
        if name not in _FIELDS:
            raise IntakeError(f"{show(name)} is no field; known is jobs.{did_you_mean(name, _FIELDS)}")
    jobs = fields.get("jobs", False)
    if not isinstance(jobs, bool):
        raise IntakeError(f"jobs must be true or false, found {show(jobs)}")
    return jobs
