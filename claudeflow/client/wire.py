"""Values → what is sent, and what came → values or exceptions."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from claudeflow.client.errors import AnswerGone, JobFailed, RequestRefused, refusal
from claudeflow.client.steps import Answer, Ask
from claudeflow.client.values import Job, Message

NDJSON = "application/x-ndjson"


def encoded(fields: Mapping[str, Any]) -> bytes:
    """A job as JSON; what is None is left out. Raises ValueError, TypeError for what is no JSON."""
    plain = {name: moment_text(value) for name, value in fields.items() if value is not None}
    return json.dumps(plain, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def moment_text(value: Any) -> Any:
    """A time as the daemon reads it; anything else unchanged. Raises ValueError for one without a zone."""
    if isinstance(value, timedelta):
        return f"+{max(0, round(value.total_seconds()))}s"
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{value} has no zone: use datetime.now(UTC) or the like")
        return value.isoformat()
    return value


def post(path: str, body: bytes | None = None, content_type: str = "application/json") -> Ask:
    """A POST that may be sent again: the daemon does it once."""
    headers = {"idempotency-key": uuid.uuid4().hex}
    if body is not None:
        headers["content-type"] = content_type
    return Ask("POST", path, body=body, headers=headers)


def parsed(answer: Answer) -> Any:
    """What the daemon answered. Raises RequestRefused."""
    if answer.status >= 400:
        raise refused(answer)
    try:
        return json.loads(answer.body)
    except ValueError as error:
        raise RequestRefused(answer.status, {"code": "no_json", "detail": _STRANGER}) from error


_STRANGER = "the answer is not JSON: is this the address of claudeflow?"


def refused(answer: Answer) -> RequestRefused:
    """Why the daemon refused."""
    try:
        problem = json.loads(answer.body)
    except ValueError:
        problem = {}
    later = answer.headers.get("retry-after", "")
    return refusal(
        answer.status, problem if isinstance(problem, dict) else {}, float(later) if later.isdigit() else None
    )


def job_and_answer(record: Mapping[str, Any]) -> tuple[Job, Message | None]:
    """A job, and its answer where the record has one."""
    result = record.get("result")
    return Job.from_json(record), None if result is None else Message(result)


def without_answer(job: Job) -> Exception:
    """Why a settled job has no answer."""
    return AnswerGone(job) if job.succeeded else JobFailed(job)
