"""Jobs: submitting, reading, moving, cancelling."""

from __future__ import annotations

from claudeflow.domain.errors import Conflict, InvalidJob, JobNotFound, QueueFull
from claudeflow.domain.job import JobRecord, JobState
from claudeflow.domain.report import AttemptRow, Explanation
from claudeflow.intake.filter_text import InvalidFilter
from claudeflow.intake.http.openapi.operation import (
    JSON,
    NDJSON,
    Answer,
    Operation,
    Parameter,
    ok,
)
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
from claudeflow.policy.access.errors import RateCapped, SpendCapped, TooManyJobs

JOB_ID = Parameter("job_id", ID, where="path")

_TIME: Schema = {
    "type": "string",
    "description": "RFC 3339 with a zone, or relative to now: `+45s`, `+30m`, `+2h`, `+1d`.",
    "pattern": r"^(\+\d{1,9}[smhd]|\d{4}-\d\d-\d\d[Tt ].+)$",
    "examples": ["2026-11-22T09:00:00Z", "+30m"],
}
_PRIORITY: Schema = {"type": "integer", "minimum": -100, "maximum": 100}
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


def job_operations(known: Components) -> tuple[Operation, ...]:
    """All that is served below /v1/jobs."""
    known.row(JobRecord, _MOMENTS, not_before=nullable(MOMENT))
    job = known.add("Job", known.schemas.pop("JobRecord"))
    shown = known.add("JobWithResult", _with_result(known.schemas["Job"]))
    asked = known.add("MessagesBody", _MESSAGES_BODY)
    new = known.add("NewJob", _new_job(asked))
    submission = known.add("Submission", _submission())
    attempt = known.row(AttemptRow, {"ended_ms": "ended_at"}, used_attempt=FLAG)
    explanation = known.row(
        Explanation, {"until_ms": "until", "goes_at_ms": "goes_at"}, without=["job_id"], id=ID
    )
    page = answer_of(jobs=array_of(job), next=nullable(ID))
    return (
        Operation(
            "submit_jobs",
            "POST",
            "/v1/jobs",
            "Submit one job as JSON, or many as NDJSON, one per line",
            {
                201: Answer(
                    "Every accepted job is on disk",
                    {JSON: submission},
                    _LOCATION,
                    _about("$response.body#/id"),
                ),
                200: Answer(
                    "The dedupe keys name jobs that exist; or an answer by line",
                    {JSON: submission, NDJSON: known.add("LineAnswer", _line_answer())},
                ),
            },
            (Parameter("partial", FLAG, "NDJSON: store the lines that are right, and report the others."),),
            body={JSON: new, NDJSON: TEXT},
            problems=(InvalidJob, QueueFull, TooManyJobs, RateCapped, SpendCapped),
        ),
        Operation(
            "list_jobs",
            "GET",
            "/v1/jobs",
            "Jobs, newest first",
            {200: Answer("OK", {JSON: page}, links=_about("$response.body#/jobs/0/id"))},
            (
                Parameter("filter", TEXT, "Conditions, such as `state:failed lane:bulk age>2h`."),
                Parameter("state", one_of(JobState)),
                Parameter("lane", TEXT),
                Parameter("workflow", TEXT),
                Parameter("submitted_by", TEXT, "A login name, or `token:` and the name of a token"),
                Parameter("before", ID, "The `next` of the page before."),
                Parameter("limit", {"type": "integer", "minimum": 1, "maximum": 500, "default": 50}),
            ),
            problems=(InvalidFilter,),
        ),
        Operation(
            "show_job",
            "GET",
            "/v1/jobs/{job_id}",
            "One job, with its answer once it has one",
            ok(shown),
            (
                JOB_ID,
                Parameter("wait", {"type": "number", "minimum": 0, "maximum": 60}, "Seconds."),
                Parameter("result", FLAG, "false: without the answer."),
            ),
            problems=(JobNotFound,),
        ),
        Operation(
            "move_job",
            "PATCH",
            "/v1/jobs/{job_id}",
            "Another lane or priority for a job that waits",
            ok(job),
            (JOB_ID,),
            body={JSON: sent(lane=TEXT, priority=_PRIORITY) | {"minProperties": 1}},
            problems=(JobNotFound, Conflict, InvalidJob),
        ),
        Operation(
            "explain_job",
            "GET",
            "/v1/jobs/{job_id}/explain",
            "Why a job is where it is, and when it goes",
            ok(explanation),
            (JOB_ID,),
            problems=(JobNotFound,),
        ),
        Operation(
            "list_attempts",
            "GET",
            "/v1/jobs/{job_id}/attempts",
            "Every try at a job, with its call",
            ok(answer_of(attempts=array_of(attempt))),
            (JOB_ID,),
            problems=(JobNotFound,),
        ),
        *(
            Operation(
                f"{verb}_job",
                "POST",
                f"/v1/jobs/{{job_id}}/{verb}",
                summary,
                ok(job),
                (JOB_ID,),
                problems=(JobNotFound, Conflict),
            )
            for verb, summary in (
                ("cancel", "Stop a queued, held or running job"),
                ("retry", "Queue a failed, cancelled, expired or held job again"),
            )
        ),
    )


_OF_ONE_JOB = ("show_job", "move_job", "explain_job", "list_attempts", "cancel_job", "retry_job")


def _about(expression: str) -> dict[str, dict[str, str]]:
    """Links to all that can be done with the job whose id is there."""
    return {operation: {"job_id": expression} for operation in _OF_ONE_JOB}


_LOCATION = {"location": "The path of the job, when it is one."}


def _with_result(job: Schema) -> Schema:
    """A job as it is read alone: a succeeded one has its answer."""
    result = {"anyOf": [ANYTHING, {"type": "null"}], "description": "The Message, as the API sent it."}
    return job | {"properties": job["properties"] | {"result": result}}


def _new_job(asked: Schema) -> Schema:
    envelope = {
        "lane": nullable(TEXT),
        "workflow": nullable(_WORKFLOW),
        "priority": nullable(_PRIORITY),
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
            answer_of(line=COUNT, errors=array_of(mistake)),
            sent(list(sums), **sums, code=TEXT, status=COUNT, detail=TEXT, retry_after=COUNT),
        ]
    }


def _submission() -> Schema:
    error = answer_of(line=COUNT, field=TEXT, message=TEXT)
    many = answer_of(
        submitted=COUNT,
        existing=COUNT,
        refused=COUNT,
        settled_lines=COUNT,
        ids=array_of(ID),
        errors=array_of(error, most=1_000),
    )
    return {"oneOf": [answer_of(id=ID, created=FLAG), many]}
