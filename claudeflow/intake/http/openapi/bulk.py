"""One thing done to every job that a filter means."""

from __future__ import annotations

from claudeflow.domain.errors import InvalidJob
from claudeflow.intake.bulk import SHOWN_IDS, CountDiffers
from claudeflow.intake.filter_text import LONGEST_FILTER, InvalidFilter
from claudeflow.intake.http.openapi.operation import JSON, Operation, ok
from claudeflow.intake.http.openapi.shapes import (
    COUNT,
    FLAG,
    ID,
    TEXT,
    Schema,
    answer_of,
    array_of,
    nullable,
    sent,
)

_COUNTS: Schema = {"type": "object", "additionalProperties": COUNT}
_WISH: dict[str, Schema] = {
    "filter": {
        "type": "string",
        "maxLength": LONGEST_FILTER,
        "description": "Conditions that all must hold.",
        "examples": ["state:failed lane:bulk age>2h"],
    },
    "all": FLAG | {"description": "Goes with an empty filter: every job."},
    "dry_run": FLAG | {"description": "Only say which jobs are meant."},
    "expect": nullable(COUNT) | {"description": "Do nothing unless the filter means exactly so many jobs."},
}


def bulk_operations() -> tuple[Operation, ...]:
    """Cancelling, queueing again and moving what a filter means."""
    place: dict[str, Schema] = {
        "lane": TEXT,
        "priority": {"type": "integer", "minimum": -100, "maximum": 100},
    }
    return (
        _bulk("cancel", "Cancel all jobs that a filter means", {}),
        _bulk("retry", "Queue all jobs again that a filter means", {}),
        _bulk("move", "Another lane or priority for all jobs that a filter means", place),
    )


def _bulk(verb: str, summary: str, more: dict[str, Schema]) -> Operation:
    skipped = answer_of(code=TEXT, detail=TEXT, jobs=COUNT, ids=array_of(ID, most=SHOWN_IDS))
    answer = answer_of(
        matched=COUNT,
        by_state=_COUNTS,
        by_lane=_COUNTS,
        by_workflow=_COUNTS,
        ids=array_of(ID, most=SHOWN_IDS),
        dry_run=FLAG,
        done=COUNT,
        skipped=array_of(skipped),
    )
    problems = (InvalidFilter, CountDiffers, *([InvalidJob] if more else []))
    return Operation(
        f"{verb}_jobs",
        "POST",
        f"/v1/jobs/{verb}",
        summary,
        ok(answer),
        body={JSON: sent(**_WISH, **more)},
        problems=problems,
    )
