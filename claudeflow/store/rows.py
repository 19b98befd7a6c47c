"""Rows ↔ domain values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from claudeflow.domain.job import Candidate, Dialect, JobError, JobId, JobRecord, JobState, NewJob, PromptRef

INLINE_BYTES = 8 * 1024
"""Bodies and answers up to this size live in the job's row: every UPDATE rewrites the whole row."""

Row = tuple[Any, ...]
_ONE_ITEM = 1


def candidate_from(row: Row) -> Candidate:
    """The columns of `flow_head`, in order."""
    plain: Sequence[Any] = (*row[1:14], bool(row[14]), _ONE_ITEM, row[15])
    return Candidate(JobId(row[0]), *plain)


def candidate_of(job_id: JobId, job: NewJob, now_ms: int) -> Candidate:
    """A new job as the scheduler sees it."""
    return Candidate(
        job_id,
        job.lane,
        job.workflow,
        job.model,
        job.priority,
        now_ms,
        job.deadline_ms,
        job.input_bytes,
        job.max_tokens,
        job.prefix,
        most_input_tokens(job),
        job.most_web_searches,
        job.terms,
        job.pack,
        job.batched,
        submitted_by=job.submitted_by,
    )


def most_input_tokens(job: NewJob) -> int:
    """A token of text has a byte at least, should nothing else be known."""
    return job.most_input_tokens or job.input_bytes


def error_to_json(error: JobError | None) -> str | None:
    """A job's error as its row keeps it."""
    return None if error is None else orjson.dumps(error).decode()


def error_from_json(text: str | None) -> JobError | None:
    """The reverse of `error_to_json`."""
    return None if text is None else JobError(**orjson.loads(text))


def dialect_to_json(dialect: Dialect | None) -> str | None:
    """How a caller speaks with the API, as its job's row keeps it."""
    if dialect is None:
        return None
    return orjson.dumps({"headers": dict(dialect.headers), "query": dialect.query}).decode()


def dialect_from_json(text: str | None) -> Dialect | None:
    """The reverse of `dialect_to_json`."""
    return None if text is None else Dialect(**orjson.loads(text))


def record_from(row: Row) -> JobRecord:
    """The columns of `job`, in order."""
    plain: dict[str, Any] = dict(zip(_PLAIN_COLUMNS, row[2:16], strict=True))
    return JobRecord(
        id=JobId(row[0]),
        state=JobState(row[1]),
        error=error_from_json(row[16]),
        cost_nanousd=row[17],
        prompt=PromptRef(row[18], row[19]) if row[18] is not None else None,
        dedupe_key=row[20],
        metadata=orjson.loads(row[21]),
        submitted_by=row[22],
        asked_model=row[23],
        fallback_reason=row[24],
        batched=bool(row[25]),
        pack=row[26],
        **plain,
    )


_PLAIN_COLUMNS = (
    "lane",
    "workflow",
    "model",
    "priority",
    "submitted_ms",
    "not_before_ms",
    "deadline_ms",
    "started_ms",
    "finished_ms",
    "attempts",
    "tries",
    "crash_count",
    "wait_reason",
    "stop_reason",
)
