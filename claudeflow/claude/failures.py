"""What each failure of a call means: the one table from errors to outcomes.

Read it from the top: a code decides before the prose-only cases, these before the error type, the
type before the status. An `error` event inside a stream has the status 200 of the response it came
in, and so has an errored result of a batch: both are judged as if they had the status of their type.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import anthropic
import httpx2

from claudeflow.claude.assembly import MalformedStream
from claudeflow.claude.batch_documents import MalformedBatch
from claudeflow.claude.headers import read_retry_after_s, read_should_retry
from claudeflow.claude.settings import ClaudeSettings
from claudeflow.domain.attempt import (
    Blocked,
    Failure,
    Overloaded,
    Rejected,
    Throttled,
    ThrottleKind,
    Transient,
)
from claudeflow.domain.hold import HoldCause
from claudeflow.domain.job import JobError

MESSAGE_CHARS = 500
_KEY = re.compile(r"sk-ant-[\w-]+")


class TruncatedStream(Exception):
    """A stream that ended without `message_stop` or without a stop reason."""


class StalledStream(Exception):
    """A stream that sent nothing but pings for too long."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What one error said: enough to build any outcome."""

    error: JobError
    retry_after_s: float | None = None


Verdict = Callable[[Facts], Failure]


def throttled(kind: ThrottleKind) -> Verdict:
    return lambda facts: Throttled(facts.error, facts.retry_after_s, kind)


def overloaded(facts: Facts) -> Failure:
    return Overloaded(facts.error, facts.retry_after_s)


def transient(facts: Facts) -> Failure:
    return Transient(facts.error, facts.retry_after_s)


def blocked(cause: HoldCause) -> Verdict:
    return lambda facts: Blocked(facts.error, cause)


def rejected(facts: Facts) -> Failure:
    return Rejected(facts.error)


def missing(facts: Facts) -> Failure:
    """404: a missing model holds the model; anything else that is missing is the job's own fault."""
    is_model = facts.error.type != "not_found_error" or "model" in facts.error.message.lower()
    return blocked(HoldCause.MODEL_NOT_FOUND)(facts) if is_model else rejected(facts)


BY_CODE: Mapping[str, Verdict] = {
    "ramp_limit_exceeded": throttled(ThrottleKind.RAMP),
    "enforced_spend_limit_reached": blocked(HoldCause.SPEND_CAP),
    "contract_spend_limit_reached": blocked(HoldCause.SPEND_CAP),
    "linked_organization_billing_unavailable": blocked(HoldCause.BILLING),
    "linked_organization_spend_limit_reached": blocked(HoldCause.BILLING),
    "organization_on_hold": blocked(HoldCause.ORGANIZATION),
    "request_body_timeout": transient,
    "request_body_encoding_invalid": rejected,
    "request_body_encoding_unsupported": rejected,
    "request_body_too_large_after_decoding": rejected,
    "image_dimensions_too_large": rejected,
    "storage_quota_exceeded": rejected,
    "tool_name_conflict": rejected,
    "file_expired": rejected,
    "compaction_unavailable": overloaded,
    # The customer's own encryption key is out of reach: that is nobody's job's fault.
    "cmek_context_unavailable": transient,
    "cmek_key_unreachable": transient,
    "cmek_key_disabled": transient,
    "cmek_key_network_blocked": transient,
}

BY_TYPE: Mapping[str, Verdict] = {
    "overloaded_error": overloaded,
    "billing_error": blocked(HoldCause.BILLING),
    "authentication_error": blocked(HoldCause.AUTHENTICATION),
}

BY_STATUS: Mapping[int, Verdict] = {
    400: rejected,
    401: blocked(HoldCause.AUTHENTICATION),
    402: blocked(HoldCause.BILLING),
    403: blocked(HoldCause.PERMISSION),
    404: missing,
    408: transient,
    409: transient,
    412: rejected,
    413: rejected,
    422: rejected,
    429: throttled(ThrottleKind.RATE),
    431: rejected,
    499: rejected,
    500: transient,
    501: rejected,
    503: transient,
    504: transient,
    529: overloaded,
}

STATUS_OF_TYPE: Mapping[str, int] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}

# Without an HTTP status: class → (type of the job's error, what it means). The first match counts.
BY_CLASS: Mapping[type[BaseException], tuple[str, Verdict]] = {
    anthropic.APITimeoutError: ("timeout", transient),
    anthropic.APIConnectionError: ("connection_error", transient),
    anthropic.APIResponseValidationError: ("malformed_response", transient),
    anthropic.APIWebhookValidationError: ("malformed_response", transient),
    anthropic.IdentityTokenFileError: ("credentials_error", blocked(HoldCause.AUTHENTICATION)),
    anthropic.WorkloadIdentityError: ("credentials_error", blocked(HoldCause.AUTHENTICATION)),
    anthropic.CredentialsError: ("credentials_error", blocked(HoldCause.AUTHENTICATION)),
    anthropic.RetryableError: ("connection_error", transient),
    anthropic.APIError: ("connection_error", transient),
    anthropic.AnthropicError: ("client_error", transient),
    httpx2.TimeoutException: ("timeout", transient),
    httpx2.DecodingError: ("malformed_response", transient),
    httpx2.HTTPError: ("connection_error", transient),
    httpx2.InvalidURL: ("connection_error", transient),
    httpx2.StreamError: ("connection_error", transient),
    json.JSONDecodeError: ("malformed_response", transient),
    MalformedStream: ("malformed_response", transient),
    MalformedBatch: ("malformed_response", transient),
    TruncatedStream: ("truncated_stream", transient),
    StalledStream: ("stalled_stream", transient),
    TimeoutError: ("timeout", transient),
}

FAILURES = tuple(BY_CLASS)

_NEVER_LEFT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
    httpx2.InvalidURL,
    anthropic.CredentialsError,
    anthropic.WorkloadIdentityError,
)


def classify(error: BaseException, settings: ClaudeSettings) -> Failure:
    """The outcome of a call that ended in one of FAILURES."""
    if isinstance(error, anthropic.APIStatusError):
        return _classify_status(error, settings)
    kind, verdict = next(row for known, row in BY_CLASS.items() if isinstance(error, known))
    return verdict(Facts(JobError(kind, _clean(_story(error) or kind.replace("_", " ")))))


def classify_result(error: JobError, settings: ClaudeSettings) -> Failure:
    """The outcome of a request within a batch that ended with this error."""
    said = replace(error, message=_clean(error.message))
    return _verdict(STATUS_OF_TYPE.get(said.type, 500), said, None, settings)(Facts(said))


def never_left(error: BaseException) -> bool:
    """True when the request surely did not leave this host: it cannot have been billed."""
    return any(isinstance(cause, _NEVER_LEFT) for cause in _causes(error))


def has_api_body(error: BaseException) -> bool:
    """True when the API itself answered, and not something on the way to it."""
    return isinstance(error, anthropic.APIStatusError) and isinstance(error.type, str)


def _classify_status(error: anthropic.APIStatusError, settings: ClaudeSettings) -> Failure:
    in_stream = error.status_code == 200
    headers = plain_headers(error.response.headers)
    facts = Facts(job_error(error), None if in_stream else read_retry_after_s(headers))
    status = STATUS_OF_TYPE.get(str(error.type), 500) if in_stream else error.status_code
    return _verdict(status, facts.error, read_should_retry(headers), settings)(facts)


def _verdict(status: int, error: JobError, should_retry: bool | None, settings: ClaudeSettings) -> Verdict:
    return (
        BY_CODE.get(error.code or "")
        or _by_prose(status, error, settings)
        or BY_TYPE.get(error.type)
        or BY_STATUS.get(status)
        or _by_hint(status, should_retry)
    )


def _by_prose(status: int, error: JobError, settings: ClaudeSettings) -> Verdict | None:
    """The errors that only their text tells apart."""
    message = error.message.lower()
    if status == 400 and any(phrase.lower() in message for phrase in settings.spend_cap_phrases):
        return blocked(HoldCause.SPEND_CAP)
    if status == 400 and any(phrase.lower() in message for phrase in settings.credit_phrases):
        return blocked(HoldCause.CREDIT)
    if status >= 500 and error.type == "api_error" and "overloaded" in message:
        return overloaded
    return None


def _by_hint(status: int, should_retry: bool | None) -> Verdict:
    """A status that no table knows: a 4xx is final unless the server says otherwise, the rest may pass."""
    if 400 <= status < 500:
        return transient if should_retry else rejected
    return rejected if should_retry is False else transient


def job_error(error: anthropic.APIStatusError) -> JobError:
    """What a job keeps of an error response."""
    status = error.status_code
    if not has_api_body(error):  # a proxy's or the edge's page: its text says nothing to a producer
        text = f"the answer had status {status} and a body that is no API error"
        return JobError(f"http_{status}", text, None, status, error.request_id)
    message = error.api_message if isinstance(error.api_message, str) else ""
    return JobError(str(error.type), _clean(message), error.error_code, status, error.request_id)


def plain_headers(headers: httpx2.Headers) -> dict[str, str]:
    """The headers as a dict with lower-case names: ten look-ups there cost less than one in httpx2's."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers.raw}


def _story(error: BaseException) -> str:
    """What happened, in the words of the deepest cause that has any."""
    return next(
        (text for cause in reversed(list(_causes(error))) if (text := str(cause))), type(error).__name__
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _clean(text: str) -> str:
    """Short, without keys, and text that SQLite and JSON can keep (no lone surrogates)."""
    storable = text.encode("utf-8", "replace").decode("utf-8")
    return _KEY.sub("[key]", storable)[:MESSAGE_CHARS]
