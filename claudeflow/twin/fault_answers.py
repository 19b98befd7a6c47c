"""The answers of scripted faults."""

from __future__ import annotations

from claudeflow.twin.errors import ApiError
from claudeflow.twin.faults import Fault
from claudeflow.twin.headers import http_date, whole_seconds
from claudeflow.twin.wire import HttpAnswer, Visit

_DEFAULT_RETRY_AFTER_S = 10
_MESSAGES: dict[str, tuple[int, str, str | None]] = {
    "rate_429": (429, "This request would exceed your organization's rate limit.", None),
    "ramp_429": (
        429,
        "This request would exceed your organization's acceleration limit.",
        "ramp_limit_exceeded",
    ),
    "spend_cap": (
        429,
        "Your organization has reached the monthly API usage threshold of its tier.",
        "enforced_spend_limit_reached",
    ),
    "overloaded_529": (529, "Overloaded", None),
    "error_500": (500, "Internal server error", None),
    "credit_empty": (
        400,
        "Your credit balance is too low to access the Anthropic API. Please purchase credits.",
        None,
    ),
    "usage_limit_400": (400, "You have reached your specified API usage limits.", None),
    "billing_402": (402, "There is a problem with your organization's billing.", None),
    "auth_401": (401, "invalid x-api-key", None),
    "org_on_hold": (400, "This organization is on hold.", "organization_on_hold"),
}
# A plain call cannot fail within a stream; the same trouble is an error of its own there.
_PLAIN_KIND = {"overloaded_error": "overloaded_529", "api_error": "error_500"}
_PAGE = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"


def fault_error(fault: Fault) -> ApiError:
    """The error of a fault that answers instead of the model."""
    kind = _PLAIN_KIND[fault.error_type] if fault.kind == "stream_error" else fault.kind
    status, message, code = _MESSAGES[kind]
    retry_after_s = fault.retry_after_s
    if retry_after_s is None and fault.kind in ("rate_429", "ramp_429"):
        retry_after_s = _DEFAULT_RETRY_AFTER_S
    return ApiError(status, message, code=code, retry_after_s=retry_after_s)


def html_page(visit: Visit, skew_s: float) -> HttpAnswer:
    """What an edge server sends when it cannot reach the API: no JSON, no request id."""
    date = http_date(whole_seconds(visit.epoch_s + skew_s))
    return HttpAnswer(502, [(b"content-type", b"text/html"), (b"date", date)], _PAGE)
