"""The table of failures: every code of the API, every class of the SDK, and what each means."""

from __future__ import annotations

import json
from collections.abc import Iterator

import anthropic
import httpx2
import orjson
import pytest
from anthropic._error_classes import ERROR_CLASSES, make_status_error

from claudeflow.claude.assembly import MalformedStream
from claudeflow.claude.failures import (
    BY_CLASS,
    BY_STATUS,
    StalledStream,
    TruncatedStream,
    classify,
    never_left,
)
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
from tests.support.scripted import error_body

REQUEST = httpx2.Request("POST", "http://api.test/v1/messages")
SETTINGS = ClaudeSettings()
CAP_TEXT = "You have reached your specified workspace API usage limits. You will regain access on 2026-12-01."
CREDIT_TEXT = "Your credit balance is too low to access the Anthropic API."


def a_status_error(
    status: int, error_type: str, code: str | None = None, message: str = "no", **headers: str
) -> anthropic.APIStatusError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    response = httpx2.Response(status, headers=named, request=REQUEST)
    return make_status_error("no", body=error_body(error_type, message, code), response=response)


def meaning(failure: Failure) -> str:
    """The outcome in one word or two."""
    match failure:
        case Throttled(kind=kind):
            return f"throttled {kind}"
        case Blocked(cause=cause):
            return f"blocked {cause}"
        case _:
            return type(failure).__name__.lower()


@pytest.mark.parametrize(
    ("status", "error_type", "expected"),
    [
        (400, "invalid_request_error", "rejected"),
        (401, "authentication_error", "blocked authentication"),
        (402, "billing_error", "blocked billing"),
        (403, "permission_error", "blocked permission"),
        (408, "timeout_error", "transient"),
        (409, "conflict_error", "transient"),
        (412, "invalid_request_error", "rejected"),
        (413, "request_too_large", "rejected"),
        (422, "invalid_request_error", "rejected"),
        (429, "rate_limit_error", "throttled rate"),
        (431, "invalid_request_error", "rejected"),
        (499, "invalid_request_error", "rejected"),
        (500, "api_error", "transient"),
        (501, "api_error", "rejected"),
        (502, "api_error", "transient"),
        (503, "api_error", "transient"),
        (504, "timeout_error", "transient"),
        (520, "api_error", "transient"),
        (529, "overloaded_error", "overloaded"),
    ],
)
def test_a_status_has_its_meaning(status: int, error_type: str, expected: str) -> None:
    assert meaning(classify(a_status_error(status, error_type), SETTINGS)) == expected


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (429, "ramp_limit_exceeded", "throttled ramp"),
        (429, "enforced_spend_limit_reached", "blocked spend_cap"),
        (429, "contract_spend_limit_reached", "blocked spend_cap"),
        (402, "linked_organization_billing_unavailable", "blocked billing"),
        (402, "linked_organization_spend_limit_reached", "blocked billing"),
        (400, "organization_on_hold", "blocked organization_on_hold"),
        (400, "request_body_timeout", "transient"),
        (400, "request_body_encoding_invalid", "rejected"),
        (400, "request_body_encoding_unsupported", "rejected"),
        (400, "image_dimensions_too_large", "rejected"),
        (400, "storage_quota_exceeded", "rejected"),
        (400, "tool_name_conflict", "rejected"),
        (400, "compaction_block_ambiguous", "rejected"),
        (400, "thread_already_continued", "rejected"),
        (404, "file_expired", "rejected"),
        (413, "request_body_too_large_after_decoding", "rejected"),
        (503, "cmek_key_unreachable", "transient"),
        (503, "cmek_context_unavailable", "transient"),
        (400, "cmek_key_disabled", "transient"),
        (529, "compaction_unavailable", "overloaded"),
        (429, "a_code_of_tomorrow", "throttled rate"),
        (400, "a_code_of_tomorrow", "rejected"),
    ],
)
def test_a_code_has_its_meaning(status: int, code: str, expected: str) -> None:
    assert meaning(classify(a_status_error(status, "some_error", code), SETTINGS)) == expected


@pytest.mark.parametrize(
    ("error_type", "expected"),
    [
        ("overloaded_error", "overloaded"),
        ("api_error", "transient"),
        ("timeout_error", "transient"),
        ("conflict_error", "transient"),
        ("rate_limit_error", "throttled rate"),
        ("invalid_request_error", "rejected"),
        ("request_too_large", "rejected"),
        ("authentication_error", "blocked authentication"),
        ("permission_error", "blocked permission"),
        ("billing_error", "blocked billing"),
        ("an_error_of_tomorrow", "transient"),
    ],
)
def test_an_error_inside_a_stream_counts_by_its_type(error_type: str, expected: str) -> None:
    assert meaning(classify(a_status_error(200, error_type), SETTINGS)) == expected


@pytest.mark.parametrize("status", [200, 500])
def test_overloaded_may_come_as_an_api_error(status: int) -> None:
    assert (
        meaning(classify(a_status_error(status, "api_error", message="Overloaded"), SETTINGS)) == "overloaded"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [(CAP_TEXT, "blocked spend_cap"), (CREDIT_TEXT, "blocked credit"), ("messages: too short", "rejected")],
)
def test_money_gone_is_known_by_its_prose(text: str, expected: str) -> None:
    error = a_status_error(400, "invalid_request_error", message=text)
    assert meaning(classify(error, SETTINGS)) == expected
    error = a_status_error(200, "invalid_request_error", message=text)
    assert meaning(classify(error, SETTINGS)) == expected


@pytest.mark.parametrize(
    ("error_type", "message", "expected"),
    [
        ("not_found_error", "model: claude-opus-3", "blocked model_not_found"),
        ("not_found_error", "File not found: file_011", "rejected"),
        ("", "", "blocked model_not_found"),
    ],
)
def test_only_a_missing_model_holds_the_model(error_type: str, message: str, expected: str) -> None:
    assert meaning(classify(a_status_error(404, error_type, message=message), SETTINGS)) == expected


@pytest.mark.parametrize(
    ("status", "hint", "expected"),
    [
        (418, None, "rejected"),
        (418, "true", "transient"),
        (418, "rubbish", "rejected"),
        (522, None, "transient"),
        (522, "false", "rejected"),
        (302, None, "transient"),
        (400, "true", "rejected"),
    ],
)
def test_the_servers_hint_decides_only_what_no_table_knows(
    status: int, hint: str | None, expected: str
) -> None:
    headers = {} if hint is None else {"x_should_retry": hint}
    assert meaning(classify(a_status_error(status, "odd", **headers), SETTINGS)) == expected


def test_retry_after_counts_on_an_error_response_but_not_on_a_stream_that_began_well() -> None:
    for status, expected_s in ((429, 7.0), (200, None)):
        failure = classify(a_status_error(status, "rate_limit_error", retry_after="7"), SETTINGS)
        assert failure == Throttled(failure.error, expected_s, ThrottleKind.RATE)
    for error_type, status, kind in (("overloaded_error", 529, Overloaded), ("api_error", 500, Transient)):
        failure = classify(a_status_error(status, error_type, retry_after="7"), SETTINGS)
        assert failure == kind(failure.error, 7.0)


def test_a_failure_tells_what_the_api_said() -> None:
    error = a_status_error(400, "invalid_request_error", "tool_name_conflict", "tools: x", request_id="req_9")
    failure = classify(error, SETTINGS)
    assert isinstance(failure, Rejected)
    said = failure.error
    assert (said.type, said.message, said.code) == ("invalid_request_error", "tools: x", "tool_name_conflict")
    assert (said.status, said.request_id) == (400, "req_9")


def subclasses(root: type[Exception]) -> Iterator[type[Exception]]:
    for child in root.__subclasses__():
        yield child
        yield from subclasses(child)


def test_every_status_that_the_sdk_has_a_class_for_is_in_the_table() -> None:
    missing = {status for status, _ in ERROR_CLASSES if status not in BY_STATUS}
    assert missing == set()


def test_every_class_that_the_sdk_exports_is_in_the_table() -> None:
    by_status = {anthropic.APIStatusError, *subclasses(anthropic.APIStatusError)}
    classes: list[type[Exception]] = [anthropic.AnthropicError, *subclasses(anthropic.AnthropicError)]
    exported = {known for known in classes if hasattr(anthropic, known.__name__)}
    assert exported - by_status - set(BY_CLASS) == set()


@pytest.mark.parametrize(("status", "code"), list(ERROR_CLASSES))
def test_every_error_that_the_sdk_can_raise_has_an_outcome(status: int, code: str | None) -> None:
    assert meaning(classify(a_status_error(status, "some_error", code), SETTINGS))


CONNECTION_ERRORS = [
    (anthropic.APITimeoutError(REQUEST), "timeout"),
    (anthropic.APIConnectionError(request=REQUEST), "connection_error"),
    (anthropic.APIResponseValidationError(httpx2.Response(200, request=REQUEST), None), "malformed_response"),
    (anthropic.RetryableError("again"), "connection_error"),
    (anthropic.AnthropicError("odd"), "client_error"),
    (httpx2.RemoteProtocolError("peer closed"), "connection_error"),
    (httpx2.ReadError(""), "connection_error"),
    (httpx2.ReadTimeout("late"), "timeout"),
    (httpx2.DecodingError("gzip"), "malformed_response"),
    (httpx2.StreamClosed(), "connection_error"),
    (json.JSONDecodeError("no", "doc", 0), "malformed_response"),
    (orjson.JSONDecodeError("no", "doc", 0), "malformed_response"),
    (MalformedStream("odd"), "malformed_response"),
    (TruncatedStream("early"), "truncated_stream"),
    (StalledStream("late"), "stalled_stream"),
    (TimeoutError(), "timeout"),
]


@pytest.mark.parametrize(("error", "kind"), CONNECTION_ERRORS, ids=lambda value: type(value).__name__)
def test_trouble_on_the_way_is_worth_another_try(error: Exception, kind: str) -> None:
    failure = classify(error, SETTINGS)
    assert isinstance(failure, Transient)
    assert failure.error.type == kind
    assert failure.error.message


def test_credentials_that_cannot_be_read_hold_everything() -> None:
    for error in (anthropic.CredentialsError("none"), anthropic.WorkloadIdentityError("none")):
        failure = classify(error, SETTINGS)
        assert isinstance(failure, Blocked)
        assert failure.cause is HoldCause.AUTHENTICATION


def test_only_a_failed_connect_proves_that_nothing_left() -> None:
    def wrapped(cause: Exception) -> Exception:
        error = anthropic.APIConnectionError(request=REQUEST)
        error.__cause__ = cause
        return error

    assert never_left(wrapped(httpx2.ConnectError("refused")))
    assert never_left(wrapped(httpx2.ProxyError("407")))
    assert not never_left(wrapped(httpx2.ReadError("reset")))
    assert not never_left(TimeoutError())
