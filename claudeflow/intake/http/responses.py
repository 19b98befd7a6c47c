"""Domain values and errors → HTTP responses. Errors are RFC 9457 problems with a stable `code`."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from starlette.responses import Response

from claudeflow.domain.errors import IntakeError, InvalidJob

_JSON = "application/json"
_PROBLEM = "application/problem+json"


def json_response(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """`content` as JSON."""
    return Response(orjson.dumps(content), status, headers, _JSON)


def problem_response(
    error: IntakeError, extra: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """An error as a problem document. `extra` adds members, `headers` what the status asks for."""
    problem = {
        "type": f"urn:claudeflow:problem:{error.code}",
        "title": error.code.replace("_", " ").capitalize(),
        "status": error.http_status,
        "code": error.code,
        "detail": str(error),
    }
    if isinstance(error, InvalidJob):
        problem["errors"] = [
            {"field": mistake.field, "message": mistake.message} for mistake in error.mistakes
        ]
    if extra:
        problem.update(extra)
    return Response(orjson.dumps(problem), error.http_status, {**_hints(error), **(headers or {})}, _PROBLEM)


def problem_bytes(error: IntakeError, date: str) -> bytes:
    """An error as a whole HTTP/1.1 response, after which the connection is closed."""
    response = problem_response(error, headers={"date": date, "connection": "close"})
    phrase = HTTPStatus(error.http_status).phrase
    lines = [f"HTTP/1.1 {error.http_status} {phrase}".encode()]
    lines += [name + b": " + value for name, value in response.raw_headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + bytes(response.body)


def _hints(error: IntakeError) -> dict[str, str]:
    """Headers that the status asks for."""
    if error.http_status == 401:
        return {"www-authenticate": 'Bearer realm="claudeflow"'}
    return {} if error.retry_after_s is None else {"retry-after": str(error.retry_after_s)}
