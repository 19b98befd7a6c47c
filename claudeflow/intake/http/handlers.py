"""The requests that producers and people make, one method each."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import orjson
from starlette.requests import Request
from starlette.responses import Response

from claudeflow import __version__
from claudeflow.domain.errors import IntakeError, InvalidJob, Mistake
from claudeflow.domain.job import JobState, NewJob
from claudeflow.intake.desks.desk import READY_PHASE, Desk
from claudeflow.intake.http.bodies import read_body, read_lines
from claudeflow.intake.http.errors import NotReady, UnsupportedMediaType
from claudeflow.intake.http.openapi.document import document
from claudeflow.intake.http.queries import Query, job_filter, job_id
from claudeflow.intake.http.responses import json_response, problem_response
from claudeflow.intake.http.submission import Tally, submit_all, submit_good_ones
from claudeflow.intake.mistakes import show
from claudeflow.intake.views import attempt_to_json, record_to_json, status_to_json
from claudeflow.intake.wire import parse_job


class Handlers:
    """Thin: each method reads its parameters, asks the desk, and writes the answer."""

    def __init__(self, desk: Desk, clock_ms: Callable[[], int]) -> None:
        self._desk = desk
        self._clock_ms = clock_ms

    async def submit(self, request: Request) -> Response:
        """POST /v1/jobs: one job as JSON, or many as NDJSON."""
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if request.headers.get("content-encoding", "identity") != "identity":
            raise UnsupportedMediaType("compressed bodies are not read; send it without content-encoding")
        if media_type == "application/json":
            return await self._submit_one(request)
        if media_type == "application/x-ndjson":
            return await self._submit_many(request)
        raise UnsupportedMediaType(
            f"content-type is {show(media_type)}; send application/json, or application/x-ndjson for many"
        )

    async def list_jobs(self, request: Request) -> Response:
        """GET /v1/jobs: jobs, newest first; `next` is the `before` of the next page."""
        which = job_filter(request)
        records = await self._desk.list_jobs(which)
        following = records[-1].id if len(records) == which.limit else None
        return json_response({"jobs": [record_to_json(record) for record in records], "next": following})

    async def job(self, request: Request) -> Response:
        """GET /v1/jobs/{id}: the job, after up to `wait` seconds, with its answer when it has one."""
        query = Query(request, frozenset({"wait", "result"}))
        which, wait_s, with_result = job_id(request), query.wait_s(), query.flag("result", default=True)
        record = await (self._desk.wait(which, wait_s) if wait_s else self._desk.job(which))
        content = record_to_json(record)
        if with_result and record.state is JobState.SUCCEEDED:
            answer = await self._desk.answer(which)
            content["result"] = orjson.Fragment(answer) if answer else None
        return json_response(content)

    async def attempts(self, request: Request) -> Response:
        """GET /v1/jobs/{id}/attempts: every try at a job, with its call."""
        Query(request)
        rows = await self._desk.attempts(job_id(request))
        return json_response({"attempts": [attempt_to_json(row) for row in rows]})

    async def cancel(self, request: Request) -> Response:
        """POST /v1/jobs/{id}/cancel."""
        Query(request)
        return json_response(record_to_json(await self._desk.cancel(job_id(request))))

    async def retry(self, request: Request) -> Response:
        """POST /v1/jobs/{id}/retry."""
        Query(request)
        return json_response(record_to_json(await self._desk.retry(job_id(request))))

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

    async def _submit_one(self, request: Request) -> Response:
        Query(request)
        raw = await read_body(request, self._desk.catalog.max_body_bytes)
        [stored] = await self._desk.submit([self._parser(request)(raw)])
        content = {"id": stored.id, "created": stored.created}
        if not stored.created:
            return json_response(content)
        return json_response(content, 201, {"location": f"/v1/jobs/{stored.id}"})

    async def _submit_many(self, request: Request) -> Response:
        in_part = Query(request, frozenset({"partial"})).flag("partial", default=False)
        lines = read_lines(request, self._desk.catalog.max_body_bytes)
        tally = Tally()
        try:
            await (submit_good_ones if in_part else submit_all)(
                self._desk, lines, self._parser(request), tally
            )
        except IntakeError as error:
            return problem_response(error, tally.to_json() if in_part else None)
        if tally.errors and not in_part:
            refusal = InvalidJob(
                [Mistake("body", f"{tally.wrong_lines:,} lines are no jobs; nothing was stored")]
            )
            return problem_response(refusal, {"errors": tally.errors})
        if not tally.ids and not tally.errors:
            return problem_response(
                InvalidJob([Mistake("body", "has no jobs; send one JSON object per line")])
            )
        return json_response(tally.to_json(), 201 if tally.created else 200)

    def _parser(self, request: Request) -> Callable[[bytes], NewJob]:
        client = request.client
        return partial(
            parse_job,
            catalog=self._desk.catalog,
            now_ms=self._clock_ms(),
            submitted_by=client.host if client else None,
        )
