"""The requests that do one thing to many jobs, one method each."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from claudeflow.domain.errors import InvalidJob
from claudeflow.domain.job import (
    CANCELLABLE_STATES,
    RETRYABLE_STATES,
    WAITING_STATES,
    JobId,
    JobRecord,
    JobState,
)
from claudeflow.domain.job_filter import Terms
from claudeflow.intake.bulk import Act, check_count, do_all, find_all
from claudeflow.intake.desks.desk import Desk
from claudeflow.intake.envelope import read_place
from claudeflow.intake.filter_text import InvalidFilter, read_filter
from claudeflow.intake.http.bodies import check_json, read_body
from claudeflow.intake.http.guard import check_target, standing_of
from claudeflow.intake.http.queries import Query
from claudeflow.intake.http.refusals import tell_refusal
from claudeflow.intake.http.responses import json_response
from claudeflow.intake.json_text import read_object
from claudeflow.intake.mistakes import Mistakes, did_you_mean, listed, show
from claudeflow.policy.access.errors import Forbidden

MOST_BODY_BYTES = 64 * 1024
WISH_FIELDS = ("filter", "all", "dry_run", "expect")


@dataclass(frozen=True, slots=True)
class Wish:
    """Which jobs are meant, and how sure its sender is. `expect`: so many, else nothing is done."""

    terms: Terms
    is_dry_run: bool
    expect: int | None


class BulkHandlers:
    """Thin: each method reads a filter, and has the desk do one thing to each job."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def cancel(self, request: Request) -> Response:
        """POST /v1/jobs/cancel: cancel all jobs that a filter means."""
        wish = _wish(await _fields(request))
        return await self._carry_out(wish, self._desk.cancel, CANCELLABLE_STATES)

    async def retry(self, request: Request) -> Response:
        """POST /v1/jobs/retry: queue all jobs again that a filter means."""
        wish = _wish(await _fields(request))
        return await self._carry_out(wish, self._desk.retry, RETRYABLE_STATES)

    async def move(self, request: Request) -> Response:
        """POST /v1/jobs/move: another lane or priority for all jobs that a filter means."""
        fields = await _fields(request)
        mistakes = Mistakes()
        place: dict[str, Any] = {name: fields.pop(name) for name in ("lane", "priority") if name in fields}
        lane, priority = read_place(place, self._desk.catalog, mistakes)
        mistakes.raise_if_any()
        standing = standing_of(request)

        async def move(job_id: JobId) -> JobRecord:
            try:
                await check_target(self._desk, standing, job_id, lane)
            except Forbidden as refusal:
                tell_refusal(self._desk.access, request, refusal)
                raise
            return await self._desk.queue.move(job_id, lane, priority)

        return await self._carry_out(_wish(fields), move, WAITING_STATES)

    async def _carry_out(self, wish: Wish, act: Act, states: Collection[JobState]) -> Response:
        """`act` on all jobs that are meant, which works on those in one of `states`."""
        found = await find_all(self._desk.filters, wish.terms)
        if wish.is_dry_run:
            return json_response(
                {**found.to_json(), "dry_run": True, "done": 0, "skipped": found.unfit(states)}
            )
        check_count(found, wish.expect)
        done = await do_all(self._desk.filters, wish.terms, found.ids, act)
        return json_response({**found.to_json(), "dry_run": False, **done.to_json()})


async def _fields(request: Request) -> dict[str, Any]:
    Query(request)
    check_json(request)
    mistakes = Mistakes()
    try:
        fields = read_object(await read_body(request, MOST_BODY_BYTES), mistakes)
        mistakes.raise_if_any()
    except InvalidJob as found:
        raise InvalidFilter(str(found)) from found
    return fields


def _wish(fields: dict[str, Any]) -> Wish:
    for name in fields:
        if name not in WISH_FIELDS:
            hint = did_you_mean(name, WISH_FIELDS)
            raise InvalidFilter(f"{show(name)} is no field here; known are {listed(WISH_FIELDS)}.{hint}")
    text = fields.get("filter", "")
    if not isinstance(text, str):
        raise InvalidFilter('filter must be a string such as "state:failed lane:bulk"')
    terms = read_filter(text)
    if _flag(fields, "all") is bool(terms.terms):
        raise InvalidFilter(
            "an empty filter means every job: say all=true as well"
            if not terms.terms
            else "all=true goes with an empty filter only; leave one of them out"
        )
    expect = fields.get("expect")
    if expect is not None and (not isinstance(expect, int) or isinstance(expect, bool) or expect < 0):
        raise InvalidFilter(f"expect must be a number of jobs, found {show(expect)}")
    return Wish(terms, _flag(fields, "dry_run"), expect)


def _flag(fields: dict[str, Any], name: str) -> bool:
    value = fields.get(name, False)
    if not isinstance(value, bool):
        raise InvalidFilter(f"{name} must be true or false, found {show(value)}")
    return value
