"""Answers: what a caller on the line is told, in the API's own words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from claudeflow.domain.attempt import Reply
from claudeflow.domain.enquiry import Answer
from claudeflow.domain.events import JobFinished
from claudeflow.domain.job import JobError, JobId, JobState
from claudeflow.domain.money import dollars
from claudeflow.domain.report import AttemptRow
from claudeflow.intake.messages.errors import as_the_api_says, told

JOB_ID = "x-claudeflow-job-id"
_PASSED_BACK = ("anthropic-", "request-id", "x-should-retry")
_OF_A_BODY = ("content-type", "retry-after")


def headers_of(job_id: JobId, api: Mapping[str, str]) -> dict[str, str]:
    """The headers of an answer: the API's own that are a caller's business, and the job's id."""
    passed = {name: value for name, value in api.items() if name.startswith(_PASSED_BACK)}
    return {**passed, JOB_ID: str(job_id)}


def passed_back(api: Mapping[str, str]) -> dict[str, str]:
    """The headers of an answer that is handed on with its body."""
    return {name: value for name, value in api.items() if name.startswith(_PASSED_BACK) or name in _OF_A_BODY}


def whole_answer(event: JobFinished, reply: Reply | None) -> Answer:
    """What a caller is told who waited for all of it; `reply` is what the last call brought."""
    api = reply.headers if reply is not None else {}
    headers = headers_of(event.job_id, api)
    if event.state is JobState.SUCCEEDED and reply is not None and reply.message is not None:
        return Answer(200, {**headers, "content-type": "application/json"}, reply.message)
    status, error = as_the_api_says(failure_of(event))
    if event.state is JobState.FAILED and reply is not None:
        error = replace(error, request_id=error.request_id or reply.request_id)
    if event.state is not JobState.FAILED:
        headers["x-should-retry"] = "false"  # it would be stopped, or late, again
    return told(status, error, headers)


def cost_of(tries: Sequence[AttemptRow]) -> str:
    """What a job that was cancelled has cost, as the end of a sentence."""
    settled = sum(row.cost_nanousd for row in tries if row.call_state == "settled")
    at_most = sum(row.reserved_nanousd for row in tries if row.call_state != "settled")
    if not settled and not at_most:
        return " at no cost"
    parts = [dollars(settled)] if settled else []
    if at_most:
        parts.append(f"at most {dollars(at_most)}{' more' if settled else ''}, which the API did not tell")
    return f"; what was tried of it before has cost {' and '.join(parts)}"


def failure_of(event: JobFinished) -> JobError:
    """Why there is no answer."""
    if event.state is JobState.EXPIRED:
        why = event.error.message if event.error else "its deadline passed"
        return JobError("timeout_error", f"job {event.job_id} expired: {why}", status=504)
    if event.state is JobState.FAILED and event.error is not None:
        return event.error
    return JobError("api_error", f"job {event.job_id} was {event.state} before it had an answer", status=500)
