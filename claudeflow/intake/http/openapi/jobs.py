"""Jobs: submitting, reading, moving, cancelling."""

from __future__ import annotations

from claudeflow.domain.errors import Conflict, InvalidJob, JobNotFound, QueueFull
from claudeflow.domain.job import JobState
from claudeflow.intake.filter_text import InvalidFilter
from claudeflow.intake.http.openapi.job_shapes import PRIORITY, JobShapes, job_shapes
from claudeflow.intake.http.openapi.operation import (
    JSON,
    NDJSON,
    Answer,
    Operation,
    Parameter,
    ok,
)
from claudeflow.intake.http.openapi.shapes import (
    FLAG,
    ID,
    TEXT,
    Components,
    answer_of,
    array_of,
    nullable,
    one_of,
    sent,
)
from claudeflow.policy.access.errors import RateCapped, SpendCapped, TooManyJobs

JOB_ID = Parameter("job_id", ID, where="path")


def job_operations(known: Components) -> tuple[Operation, ...]:
    """All that is served below /v1/jobs."""
    shapes = job_shapes(known)
    return (_submitting(shapes), _listing(shapes), *_looking(shapes), *_acting(shapes))


def _submitting(shapes: JobShapes) -> Operation:
    return Operation(
        "submit_jobs",
        "POST",
        "/v1/jobs",
        "Submit one job as JSON, or many as NDJSON, one per line",
        {
            201: Answer(
                "Every accepted job is on disk",
                {JSON: shapes.submission},
                _LOCATION,
                _about("$response.body#/id"),
            ),
            200: Answer(
                "The dedupe keys name jobs that exist; or an answer by line",
                {JSON: shapes.submission, NDJSON: shapes.line_answer},
            ),
        },
        (Parameter("partial", FLAG, "NDJSON: store the lines that are right, and report the others."),),
        body={JSON: shapes.new, NDJSON: TEXT},
        problems=(InvalidJob, QueueFull, TooManyJobs, RateCapped, SpendCapped),
    )


def _listing(shapes: JobShapes) -> Operation:
    page = answer_of(jobs=array_of(shapes.job), next=nullable(ID))
    return Operation(
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
    )


def _looking(shapes: JobShapes) -> tuple[Operation, ...]:
    return (
        Operation(
            "show_job",
            "GET",
            "/v1/jobs/{job_id}",
            "One job, with its answer once it has one",
            ok(shapes.shown),
            (
                JOB_ID,
                Parameter("wait", {"type": "number", "minimum": 0, "maximum": 60}, "Seconds."),
                Parameter("result", FLAG, "false: without the answer."),
            ),
            problems=(JobNotFound,),
        ),
        Operation(
            "explain_job",
            "GET",
            "/v1/jobs/{job_id}/explain",
            "Why a job is where it is, and when it goes",
            ok(shapes.explanation),
            (JOB_ID,),
            problems=(JobNotFound,),
        ),
        Operation(
            "list_attempts",
            "GET",
            "/v1/jobs/{job_id}/attempts",
            "Every try at a job, with its call",
            ok(answer_of(attempts=array_of(shapes.attempt))),
            (JOB_ID,),
            problems=(JobNotFound,),
        ),
    )


def _acting(shapes: JobShapes) -> tuple[Operation, ...]:
    return (
        Operation(
            "move_job",
            "PATCH",
            "/v1/jobs/{job_id}",
            "Another lane or priority for a job that waits",
            ok(shapes.job),
            (JOB_ID,),
            body={JSON: sent(lane=TEXT, priority=PRIORITY) | {"minProperties": 1}},
            problems=(JobNotFound, Conflict, InvalidJob),
        ),
        *(
            Operation(
                f"{verb}_job",
                "POST",
                f"/v1/jobs/{{job_id}}/{verb}",
                summary,
                ok(shapes.job),
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
