"""Errors as the API words them: `{"type": "error", "error": {...}, "request_id": ...}`."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import Response

from claudeflow.domain.enquiry import Answer
from claudeflow.domain.errors import IntakeError, InvalidJob, QueueFull
from claudeflow.domain.job import JobError
from claudeflow.intake.http.errors import ModelNotFound

TYPE_OF_STATUS: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
STATUS_OF_TYPE: Mapping[str, int] = {kind: status for status, kind in TYPE_OF_STATUS.items()}
OVERLOADED = 529
RATE_LIMITED = 429

_STATUS_OF_OURS: Mapping[str, int] = {"timeout": 504, "too_large_for_limits": 400}
"""Errors that are not the API's: what it would say in their place. Any other is a 500."""


def api_error(error: IntakeError) -> Response:
    """What the API would answer where claudeflow refuses: for all under /v1/messages and /v1/models."""
    answer = refusal(status_of(error), _words(error), retry_after_s=getattr(error, "retry_after_s", None))
    return Response(answer.body, answer.status, dict(answer.headers))


def status_of(error: IntakeError) -> int:
    """The status that the API would give."""
    if isinstance(error, QueueFull):
        return RATE_LIMITED
    if error.http_status == 503:
        return OVERLOADED  # come back later: nothing is wrong with the request
    return 400 if error.http_status == 422 else error.http_status


def refusal(
    status: int,
    message: str,
    *,
    retry_after_s: int | None = None,
    should_retry: bool | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """An error of ours in the API's words. `should_retry` tells SDKs what to do, None leaves it to them."""
    extra = dict(headers or {})
    if retry_after_s is not None:
        extra["retry-after"] = str(retry_after_s)
    if should_retry is not None:
        extra["x-should-retry"] = str(should_retry).lower()
    return told(status, JobError(_type_of(status), message), extra)


def told(status: int, error: JobError, headers: Mapping[str, str]) -> Answer:
    """An error as the API tells it."""
    request_id = error.request_id or f"req_claudeflow_{secrets.token_hex(8)}"
    content = {"content-type": "application/json", "request-id": request_id}
    return Answer(status, {**headers, **content}, orjson.dumps(error_body(error, request_id)))


def error_body(error: JobError, request_id: str | None) -> dict[str, Any]:
    """The JSON of an error."""
    inner: dict[str, Any] = {"type": error.type, "message": error.message}
    if error.code is not None:
        inner["details"] = {"error_code": error.code}
    return {"type": "error", "error": inner, "request_id": request_id}


def as_the_api_says(error: JobError) -> tuple[int, JobError]:
    """Status and error for a job that failed: the API's own, or what it would say of a failure of ours."""
    status = error.status if error.status is not None and error.status >= 400 else None
    if error.type in STATUS_OF_TYPE:
        return status or STATUS_OF_TYPE[error.type], error
    status = status or _STATUS_OF_OURS.get(error.type, 500)
    return status, JobError(
        _type_of(status), f"{error.type}: {error.message}", error.code, status, error.request_id
    )


def error_event(error: JobError, request_id: str | None = None) -> bytes:
    """The event with which a stream ends early; `request_id` names the call where the error does not."""
    _, said = as_the_api_says(error)
    return b"event: error\ndata: " + orjson.dumps(error_body(said, error.request_id or request_id)) + b"\n\n"


def _type_of(status: int) -> str:
    return TYPE_OF_STATUS.get(status) or ("invalid_request_error" if status < 500 else "api_error")


def _words(error: IntakeError) -> str:
    """Every mistake with its field, as the API words its own."""
    if isinstance(error, ModelNotFound):
        return f"model: {error}"
    if isinstance(error, InvalidJob):
        return "; ".join(f"{mistake.field}: {mistake.message}" for mistake in error.mistakes)
    return str(error)
