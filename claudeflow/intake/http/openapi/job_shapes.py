"""Jobs in JSON: what is sent, and what is answered."""

from __future__ import annotations

from dataclasses import dataclass

from claudeflow.domain.job import JobRecord
from claudeflow.domain.report import AttemptRow, Explanation
from claudeflow.intake.http.openapi.shapes import (
    ANYTHING,
    COUNT,
    FLAG,
    ID,
    MOMENT,
    STRINGS,
    TEXT,
    Components,
    Schema,
    answer_of,
    array_of,
    nullable,
    one_of,
    sent,
)

_TIME: Schema = {
    "type": "string",
    "description": "RFC 3339 with a zone, or relative to now: `+45s`, `+30m`, `+2h`, `+1d`.",
    "pattern": r"^(\+\d{1,9}[smhd]|\d{4}-\d\d-\d\d[Tt ].+)$",
    "examples": ["2026-11-22T09:00:00Z", "+30m"],
}
PRIORITY: Schema = {"type": "integer", "minimum": -100, "maximum": 100}
_WORKFLOW: Schema = {"type": "string", "pattern": "^[a-z0-9][a-z0-9._-]{0,63}$"}
_MESSAGE: Schema = {
    "type": "object",
    "properties": {
        "role": one_of(("user", "assistant")),
        "content": {"anyOf": [TEXT | {"minLength": 1}, {"type": "array", "items": ANYTHING, "minItems": 1}]},
    },
    "required": ["role", "content"],
}
_MESSAGES_BODY: Schema = {
    "type": "object",
    "description": "A whole Messages body; fields that claudeflow does not know pass through unchanged.",
    "properties": {
        "model": TEXT | {"minLength": 1},
        "max_tokens": COUNT,
        "messages": {"type": "array", "items": _MESSAGE, "minItems": 1},
    },
    "required": ["model", "max_tokens", "messages"],
    "examples": [
        {
            "model": "claude-haiku-5-5",
            "max_tokens": 500,
            "messages": [{"role": "user", "content": "Which team should get this ticket? The VPN is down."}],
        }
    ],
}
_MOMENTS = {
    "submitted_ms": "submitted_at",
    "not_before_ms": "not_before",
    "deadline_ms": "deadline",
    "started_ms": "started_at",
    "finished_ms": "finished_at",
}


@dataclass(frozen=True, slots=True)
class JobShapes:
    """References to the schemas that operations on jobs have in common."""

    new: Schema
    submission: Schema
    line_answer: Schema
    job: Schema
    shown: Schema
    attempt: Schema
    explanation: Schema


def job_shapes(known: Components) -> JobShapes:
    """Make them known."""
    known.row(JobRecord, _MOMENTS, not_before=nullable(MOMENT))
    job = known.add("Job", known.schemas.pop("JobRecord"))
    asked = known.add("MessagesBody", _MESSAGES_BODY)
    moments = {"until_ms": "until", "goes_at_ms": "goes_at"}
    return JobShapes(
        new=known.add("NewJob", _new_job(asked)),
        submission=known.add("Submission", _submission()),
        line_answer=known.add("LineAnswer", _line_answer()),
        job=job,
        shown=known.add("JobWithResult", _with_result(known.schemas["Job"])),
        attempt=known.row(AttemptRow, {"ended_ms": "ended_at"}, used_attempt=FLAG),
        explanation=known.row(Explanation, moments, without=["job_id"], id=ID),
    )


def _with_result(job: Schema) -> Schema:
    """A job as it is read alone: a succeeded one has its answer."""
    result = {"anyOf": [ANYTHING, {"type": "null"}], "description": "The Message, as the API sent it."}
    return job | {"properties": job["properties"] | {"result": result}}


def _new_job(asked: Schema) -> Schema:
    envelope = {
        "lane": nullable(TEXT),
        "workflow": nullable(_WORKFLOW),
        "priority": nullable(PRIORITY),
        "not_before": nullable(_TIME),
        "deadline": nullable(_TIME),
        "dedupe_key": nullable({"type": "string", "minLength": 1, "maxLength": 200}),
        "metadata": nullable(STRINGS | {"maxProperties": 64}),
        "traceparent": nullable(TEXT),
    }
    found = sent(request=asked, prompt=TEXT, input=ANYTHING, **envelope)
    return found | {
        "description": "What is asked, in one of two ways, and how it is to be treated.",
        "oneOf": [{"required": ["request"]}, {"required": ["prompt"]}],
    }


def _line_answer() -> Schema:
    """One line of an answer by line; the last one sums up, and says what ended the request early."""
    mistake = answer_of(field=TEXT, message=TEXT)
    sums = dict.fromkeys(("submitted", "existing", "refused", "settled_lines"), COUNT)
    return {
        "oneOf": [
            answer_of(line=COUNT, id=ID, created=FLAG),
            answer_of(line=COUNT, code=TEXT, errors=array_of(mistake)),
            sent(list(sums), **sums, code=TEXT, status=COUNT, detail=TEXT, retry_after=COUNT),
        ]
    }


def _submission() -> Schema:
    error = answer_of(line=COUNT, code=TEXT, field=TEXT, message=TEXT)
    many = answer_of(
        submitted=COUNT,
        existing=COUNT,
        refused=COUNT,
        settled_lines=COUNT,
        ids=array_of(ID),
        errors=array_of(error, most=1_000),
    )
    return {"oneOf": [answer_of(id=ID, created=FLAG), many]}
