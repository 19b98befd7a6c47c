"""The requests about single jobs and the daemon, one method each."""

from __future__ import annotations

from dataclasses import replace

import orjson
from starlette.requests import Request
from starlette.responses import Response

from claudeflow.domain.job import JobState
from claudeflow.intake.desks.desk import Desk
from claudeflow.intake.http.guard import limited_to
from claudeflow.intake.http.lapse import while_allowed
from claudeflow.intake.http.queries import Query, job_filter, job_id, terms_of
from claudeflow.intake.http.responses import json_response
from claudeflow.intake.views.jobs import attempt_to_json, record_to_json


class JobHandlers:
    """Thin: each method reads its parameters, asks the desk, and writes the answer."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def list_jobs(self, request: Request) -> Response:
        """GET /v1/jobs: jobs, newest first; `next` is the `before` of the next page."""
        which = job_filter(request)
        which = replace(which, submitted_by=limited_to(request, which.submitted_by))
        if which.terms.terms:
            found = await self._desk.filters.find(terms_of(which), which.before_id, which.limit)
            return json_response(
                {"jobs": [record_to_json(record) for record in found.jobs], "next": found.next_id}
            )
        records = await self._desk.list_jobs(which)
        following = records[-1].id if len(records) == which.limit else None
        return json_response({"jobs": [record_to_json(record) for record in records], "next": following})

    async def job(self, request: Request) -> Response:
        """GET /v1/jobs/{id}: the job, after up to `wait` seconds, with its answer when it has one."""
        query = Query(request, frozenset({"wait", "result"}))
        which, wait_s, with_result = job_id(request), query.wait_s(), query.flag("result", default=True)
        if wait_s:
            record = await while_allowed(request, self._desk.wait(which, wait_s))
        else:
            record = await self._desk.job(which)
        content = record_to_json(record)
        if with_result and record.state is JobState.SUCCEEDED:
            answer = await self._desk.answer(which)
            content["result"] = orjson.Fragment(answer) if answer else None
        return json_response(content)

    async def attempts(self, request: Request) -> Response:
        """GET /v1/jobs/{id}/attempts: every try at a job, with its call.

        With whom it shared a call is for those to know who may see everybody's jobs.
        """
        Query(request)
        rows = await self._desk.attempts(job_id(request))
        if limited_to(request, None) is not None:
            rows = [replace(row, shared_with=()) for row in rows]
        return json_response({"attempts": [attempt_to_json(row) for row in rows]})

    async def cancel(self, request: Request) -> Response:
        """POST /v1/jobs/{id}/cancel."""
        Query(request)
        return json_response(record_to_json(await self._desk.cancel(job_id(request))))

    async def retry(self, request: Request) -> Response:
        """POST /v1/jobs/{id}/retry."""
        Query(request)
        return json_response(record_to_json(await self._desk.retry(job_id(request))))
