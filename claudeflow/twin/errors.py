"""Errors of the API as values, with the words that the real one uses where they are on record."""

from __future__ import annotations

import orjson

_TYPE_OF_STATUS: dict[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}


class ApiError(Exception):
    """An answer that is an error: status, message, and where the API has one a machine-readable code."""

    def __init__(
        self, status: int, message: str, *, code: str | None = None, retry_after_s: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.retry_after_s = retry_after_s

    @property
    def kind(self) -> str:
        """The API's name for the type of error."""
        return _TYPE_OF_STATUS[self.status]

    def body(self, request_id: str) -> bytes:
        """The JSON envelope."""
        return error_envelope(self.kind, self.message, request_id, self.code)


class ConnectionDropped(Exception):
    """The twin cuts the connection here instead of going on."""


class ConnectionRefused(ConnectionDropped):
    """There is no connection: nothing was sent."""


def error_envelope(kind: str, message: str, request_id: str, code: str | None = None) -> bytes:
    """The body of an error answer, also used inside a stream."""
    error: dict[str, object] = {"type": kind, "message": message}
    if code is not None:
        error["details"] = {"error_code": code}
    return orjson.dumps({"type": "error", "error": error, "request_id": request_id})
