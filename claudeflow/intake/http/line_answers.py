"""An answer for each line of an NDJSON body, as soon as its job is on the disk.

What has come in is stored before more is read, and what is not read by the client is not written on:
neither side can be so fast that the memory in between grows. So a body may be of any length.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from claudeflow.domain.errors import IntakeError, InvalidJob, Mistake, StoreError
from claudeflow.domain.job import NewJob
from claudeflow.intake.desks.desk import Submitted
from claudeflow.intake.http.bodies import PATIENT, Line, LineSplitter
from claudeflow.intake.http.errors import InternalError
from claudeflow.intake.http.submission import TOO_LONG, Parse, Submit, mistakes_of
from claudeflow.policy.access.errors import Forbidden

MEDIA_TYPE = "application/x-ndjson"

_log = logging.getLogger(__name__)


def wants_lines(request: Request) -> bool:
    """Whether the client asks for an answer by line."""
    return MEDIA_TYPE in request.headers.get("accept", "")


class LineAnswers(Response):
    """Reads the body, stores its jobs and answers each line; the last line of the answer sums up."""

    media_type = MEDIA_TYPE

    def __init__(
        self, request: Request, submit: Submit, parse: Parse, most_line_bytes: int, *, at_once: int
    ) -> None:
        """`at_once`: so many lines are stored together at most."""
        super().__init__(status_code=200)
        del self.headers["content-length"]
        self._request = request
        self._submit = submit
        self._parse = parse
        self._at_once = at_once
        self._splitter = LineSplitter(most_line_bytes)
        self._sums = {"submitted": 0, "existing": 0, "refused": 0, "settled_lines": 0}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Answer until the body ends, or the client hangs up."""
        scope[PATIENT] = True
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        try:
            last = await self._answer_all(send)
        except ClientDisconnect:
            return
        await send({"type": "http.response.body", "body": _lines([last]), "more_body": False})

    async def _answer_all(self, send: Send) -> dict[str, Any]:
        """Answer line by line; what the last line of the answer says."""
        try:
            async for piece in self._request.stream():
                await self._answer(self._splitter.feed(piece), send)
            await self._answer(self._splitter.end(), send)
        except IntakeError as problem:
            return {**self._sums, **_problem(problem)}
        except StoreError as problem:
            _log.error("request failed: %s", type(problem).__name__)
            return {**self._sums, **_problem(InternalError("claudeflow failed; its log says why"))}
        return dict(self._sums)

    async def _answer(self, lines: Sequence[Line], send: Send) -> None:
        for at in range(0, len(lines), self._at_once):
            await self._answer_some(lines[at : at + self._at_once], send)

    async def _answer_some(self, lines: Sequence[Line], send: Send) -> None:
        """Store the jobs of some lines together, then answer each of these lines."""
        answers: list[dict[str, Any]] = []
        jobs: list[NewJob] = []
        of_jobs: list[dict[str, Any]] = []
        for line in lines:
            answer: dict[str, Any] = {"line": line.number}
            answers.append(answer)
            try:
                jobs.append(_job_of(line, self._parse))
                of_jobs.append(answer)
            except InvalidJob as refused:
                answer |= _refusal(refused.code, refused.mistakes)
            except Forbidden as refused:
                answer |= _refusal(refused.code, mistakes_of(refused))
        for answer, stored in zip(of_jobs, await self._stored(jobs), strict=True):
            answer |= {"id": stored.id, "created": stored.created}
            self._sums["submitted" if stored.created else "existing"] += 1
        self._sums["refused"] += len(answers) - len(of_jobs)
        self._sums["settled_lines"] = lines[-1].number
        await send({"type": "http.response.body", "body": _lines(answers), "more_body": True})

    async def _stored(self, jobs: Sequence[NewJob]) -> list[Submitted]:
        return await self._submit(jobs) if jobs else []


def _job_of(line: Line, parse: Callable[[bytes], NewJob]) -> NewJob:
    if line.text is None:
        raise InvalidJob([Mistake("body", TOO_LONG)])
    return parse(line.text)


def _refusal(code: str, mistakes: Sequence[Mistake]) -> dict[str, Any]:
    return {"code": code, "errors": [{"field": one.field, "message": one.message} for one in mistakes]}


def _problem(problem: IntakeError) -> dict[str, Any]:
    found: dict[str, Any] = {
        "code": problem.code,
        "status": problem.http_status,
        "detail": str(problem),
    }
    return found if problem.retry_after_s is None else {**found, "retry_after": problem.retry_after_s}


def _lines(values: Sequence[dict[str, Any]]) -> bytes:
    return b"".join(orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE) for value in values)
