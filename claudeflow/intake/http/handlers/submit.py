"""The requests that submit jobs: one as JSON, many as NDJSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from claudeflow.domain.errors import IntakeError, InvalidJob, Mistake
from claudeflow.domain.job import NewJob
from claudeflow.intake.desks.desk import Desk, Submitted
from claudeflow.intake.http.bodies import PATIENT, media_type, read_body, read_lines
from claudeflow.intake.http.errors import InvalidIdempotencyKey, UnsupportedMediaType
from claudeflow.intake.http.guard import standing_of
from claudeflow.intake.http.idempotency import KeyBook, Once
from claudeflow.intake.http.lapse import check_again
from claudeflow.intake.http.line_answers import LineAnswers, wants_lines
from claudeflow.intake.http.queries import Query
from claudeflow.intake.http.refusals import tell_refusal
from claudeflow.intake.http.responses import json_response, problem_response
from claudeflow.intake.http.room import held_by
from claudeflow.intake.http.submission import CHUNK_JOBS, Submit, Tally, read_all, submit_good_ones
from claudeflow.intake.mistakes import show
from claudeflow.intake.wire import parse_job
from claudeflow.policy.access.admission import admission
from claudeflow.policy.access.usage import most_at_once

_ONE = "application/json"
_MANY = "application/x-ndjson"


class SubmitHandlers:
    """Thin: each method reads jobs, hands them to the desk, and writes the answer."""

    def __init__(self, desk: Desk, clock_ms: Callable[[], int], keys: KeyBook) -> None:
        self._desk = desk
        self._clock_ms = clock_ms
        self._keys = keys

    async def submit(self, request: Request) -> Response:
        """POST /v1/jobs: one job as JSON, or many as NDJSON."""
        kind = media_type(request)
        if request.headers.get("content-encoding", "identity") != "identity":
            raise UnsupportedMediaType("compressed bodies are not read; send it without content-encoding")
        if kind not in (_ONE, _MANY):
            raise UnsupportedMediaType(f"content-type is {show(kind)}; send {_ONE}, or {_MANY} for many")
        in_part = Query(request, frozenset({"partial"} if kind == _MANY else ())).flag(
            "partial", default=False
        )
        with self._keys.claimed(request) as key:
            by_line = kind == _MANY and wants_lines(request)
            if by_line and key is None:
                return self._answer_lines(request)
            if in_part and key is None:
                return await self._submit_good_ones(request)
            if in_part or by_line:
                raise InvalidIdempotencyKey(
                    "an idempotency-key covers all of a request or nothing, and here its jobs are stored "
                    "in parts; give each job a dedupe_key instead"
                )
            once = Once(self._keys, key, request)
            return await (self._submit_one if kind == _ONE else self._submit_all)(request, once)

    async def _submit_one(self, request: Request, once: Once) -> Response:
        raw = await read_body(request, self._desk.catalog.max_body_bytes)
        once.feed(raw)
        earlier = await once.earlier()
        if earlier is not None:
            return earlier
        job = self._parser(request)(raw)
        return _one_answer(
            await self._desk.submit([job], once.receipt_of(_one_answer), by=standing_of(request))
        )

    async def _submit_all(self, request: Request, once: Once) -> Response:
        tally = Tally()
        lines = read_lines(request, self._desk.catalog.max_body_bytes, once.feed)
        jobs = await read_all(lines, self._parser(request), tally)
        earlier = await once.earlier()
        if earlier is not None:
            return earlier
        if tally.errors:
            refusal = InvalidJob([Mistake("body", f"{_wrong(tally.wrong_lines)}; nothing was stored")])
            return problem_response(refusal, {"errors": tally.errors})
        if not jobs:
            return _no_jobs()
        await check_again(request)
        answer = partial(_answer_to_all, last_line=tally.last_line)
        return answer(await self._desk.submit(jobs, once.receipt_of(answer), by=standing_of(request)))

    async def _submit_good_ones(self, request: Request) -> Response:
        tally = Tally()
        request.scope[PATIENT] = True
        lines = read_lines(request, self._desk.catalog.max_body_bytes)
        try:
            submit = self._submitting(request)
            parse, held = self._allowed_parser(request), held_by(request)
            await submit_good_ones(submit, lines, parse, tally, held, at_once=_at_once(request))
        except IntakeError as error:
            return problem_response(error, tally.to_json())
        return _answer_to(tally) if tally.ids or tally.errors else _no_jobs()

    def _answer_lines(self, request: Request) -> Response:
        submit, most = self._submitting(request), self._desk.catalog.max_body_bytes
        parse = self._allowed_parser(request)
        return LineAnswers(request, submit, parse, most, at_once=_at_once(request))

    def _submitting(self, request: Request) -> Submit:
        """Stores some of a request's jobs; what turns its caller away is told."""

        async def submit(jobs: Sequence[NewJob]) -> list[Submitted]:
            try:
                await check_again(request)
                return await self._desk.submit(jobs, by=standing_of(request))
            except IntakeError as error:
                tell_refusal(self._desk.access, request, error)
                raise

        return submit

    def _allowed_parser(self, request: Request) -> Callable[[bytes], NewJob]:
        """Reads jobs that their sender may send. The parser raises Forbidden as well, and that is told."""
        parse = self._parser(request)

        def parse_allowed(raw: bytes) -> NewJob:
            job = parse(raw)
            refusal = admission(standing_of(request), job.lane, job.workflow)
            if refusal is not None:
                tell_refusal(self._desk.access, request, refusal)
                raise refusal
            return job

        return parse_allowed

    def _parser(self, request: Request) -> Callable[[bytes], NewJob]:
        desk, clock_ms, by = self._desk, self._clock_ms, standing_of(request)
        in_force = desk.catalog
        catalog = in_force.as_for(by)

        def parse(raw: bytes) -> NewJob:
            nonlocal in_force, catalog
            if desk.catalog is not in_force:  # a reload while lines come in
                in_force = desk.catalog
                catalog = in_force.as_for(by)
            return parse_job(raw, catalog=catalog, now_ms=clock_ms(), submitted_by=by.caller.name)

        return parse


def _at_once(request: Request) -> int:
    return most_at_once(standing_of(request).caps, CHUNK_JOBS)


def _one_answer(stored: Sequence[Submitted]) -> Response:
    [job] = stored
    content = {"id": job.id, "created": job.created}
    if not job.created:
        return json_response(content)
    return json_response(content, 201, {"location": f"/v1/jobs/{job.id}"})


def _answer_to_all(stored: Sequence[Submitted], last_line: int) -> Response:
    tally = Tally()
    tally.add(stored, last_line)
    return _answer_to(tally)


def _answer_to(tally: Tally) -> Response:
    return json_response(tally.to_json(), 201 if tally.created else 200)


def _wrong(lines: int) -> str:
    return "1 line is no job" if lines == 1 else f"{lines:,} lines are no jobs"


def _no_jobs() -> Response:
    return problem_response(InvalidJob([Mistake("body", "has no jobs; send one JSON object per line")]))
