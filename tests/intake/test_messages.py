"""Messages requests read: what is taken, what is refused and in which words, and what goes on to the API."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings

from claudeflow.domain.caller import Caller
from claudeflow.domain.errors import IntakeError, InvalidJob, QueueFull
from claudeflow.domain.job import JobError
from claudeflow.intake.desks.messages import Ask
from claudeflow.intake.http.errors import BodyTooLarge, ModelNotFound, NotReady
from claudeflow.intake.json_text import MOST_VALUES
from claudeflow.intake.messages.errors import api_error, as_the_api_says, error_event
from claudeflow.intake.messages.request import read_ask
from claudeflow.policy.access.errors import Forbidden, Unauthenticated
from claudeflow.policy.access.grants import Standing
from claudeflow.policy.caching.breakpoints import with_breakpoints
from claudeflow.policy.caching.paths import levels_of
from claudeflow.policy.caching.plan import Mark, Plan
from tests.intake.builders import NOW_MS, a_catalog
from tests.intake.test_strange_bodies import REQUEST, strange

BY = Standing(Caller("alice", 1001), ())
BODY: dict[str, Any] = {
    "model": "claude-haiku-5-5",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Hello"}],
}


def read(body: Any = BODY, query: str = "", **headers: str) -> Ask:
    """The request; underscores in header names are hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_ask(raw, named, query, a_catalog(), now_ms=NOW_MS, by=BY)


def mistakes(body: Any = BODY, **headers: str) -> dict[str, str]:
    """What is wrong, by field."""
    with pytest.raises(InvalidJob) as refused:
        read(body, **headers)
    return {mistake.field: mistake.message for mistake in refused.value.mistakes}


def test_a_body_of_more_values_than_anybody_needs_is_refused() -> None:
    assert "values" in mistakes({**BODY, "x": [0] * MOST_VALUES})["body"]


def test_headers_say_lane_workflow_deadline_priority_and_patience() -> None:
    ask = read(
        x_claudeflow_lane="interactive",
        x_claudeflow_workflow="triage",
        x_claudeflow_deadline="+30s",
        x_claudeflow_priority="-7",
        x_claudeflow_max_wait="1.5m",
        traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    )
    job = ask.job
    assert (job.lane, job.workflow, job.priority) == ("interactive", "triage", -7)
    assert (job.deadline_ms, ask.patience_s) == (NOW_MS + 30_000, 90.0)
    assert job.traceparent is not None
    assert job.submitted_by == "alice"


@pytest.mark.parametrize(
    ("text", "seconds"), [("0", 0.0), ("30", 30.0), ("0.25", 0.25), ("250ms", 0.25), ("2h", 7200.0)]
)
def test_a_longest_wait_is_seconds_or_says_its_unit(text: str, seconds: float) -> None:
    assert read(x_claudeflow_max_wait=text).patience_s == seconds


def test_every_wrong_header_and_field_is_named_at_once() -> None:
    wrong = mistakes(
        {"model": "", "max_tokens": -1, "messages": [{"role": "user"}], "stream": "yes", "system": 1},
        x_claudeflow_lane="bulks",
        x_claudeflow_workflow="A B",
        x_claudeflow_deadline="tomorrow",
        x_claudeflow_priority="high",
        x_claudeflow_max_wait="25h",
        x_claudeflow_lanes="x",
        traceparent="00-1",
    )
    assert set(wrong) == {
        "x-claudeflow-lane", "x-claudeflow-workflow", "x-claudeflow-deadline", "x-claudeflow-priority",
        "x-claudeflow-max-wait", '"x-claudeflow-lanes"', "traceparent",
        "model", "max_tokens", "messages.0.content", "stream", "system",
    }  # fmt: skip
    assert 'Did you mean "bulk"?' in wrong["x-claudeflow-lane"]
    assert 'Did you mean "x-claudeflow-lane"?' in wrong['"x-claudeflow-lanes"']


@pytest.mark.parametrize(
    "more",
    [
        {"temperature": 0.3, "top_p": 0.9, "top_k": 5},
        {"thinking": {"type": "disabled"}},
        {"tool_choice": {"type": "any"}, "tools": [{"name": "t", "input_schema": {}}]},
        {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "{"}]},
        {"context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}},
        {"mcp_servers": [{"type": "url", "url": "https://x", "name": "x"}]},
        {"output_config": {"effort": "utmost"}},
        {"service_tier": "gold", "speed": "warp", "inference_geo": "moon"},
        {"messages": [{"role": "user", "content": [{"type": "hologram", "of": {"anything": [1]}}]}]},
        {"max_tokens": 0},
        {"max_tokens": 1_000_000},
        {"system": []},
        {"messages": [{"role": "robot", "content": ""}]},
    ],
)
def test_where_the_api_is_the_judge_it_judges(more: dict[str, Any]) -> None:
    assert orjson.loads(read({**BODY, **more}).job.body) == {**BODY, **more}


def test_stream_says_how_it_is_answered_and_is_not_kept() -> None:
    ask = read({**BODY, "stream": True})
    assert ask.stream
    assert orjson.loads(ask.job.body) == BODY


def test_no_messages_are_told_as_that() -> None:
    assert mistakes({**BODY, "messages": []}) == {"messages": "is empty; send at least one message"}
    assert "found an object" in mistakes({**BODY, "messages": {}})["messages"]


def test_only_what_is_the_apis_business_goes_on() -> None:
    ask = read(
        query="beta=true",
        anthropic_version="2023-06-01",
        anthropic_beta="a,b",
        anthropic_workspace_id="w",
        x_api_key="secret",
        authorization="Bearer secret",
    )
    assert ask.job.dialect is not None
    assert dict(ask.job.dialect.headers) == {"anthropic-version": "2023-06-01", "anthropic-beta": "a,b"}
    assert ask.job.dialect.query == "beta=true"


def test_a_key_given_twice_counts_as_with_the_api() -> None:
    raw = b'{"model": "x", ' + json.dumps(BODY).encode()[1:]
    assert read(raw).job.model == "claude-haiku-5-5"


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff", b'{"a": NaN}', b'"\\ud800"'])
def test_a_body_that_is_no_json_object_is_an_invalid_request(raw: bytes) -> None:
    assert set(mistakes(raw)) == {"body"}


def test_a_model_without_a_price_is_not_found() -> None:
    with pytest.raises(ModelNotFound, match="Did you mean"):
        read({**BODY, "model": "claude-haiku-5"})


@given(body=strange({**REQUEST, "model": "claude-haiku-5-5", "stream": True}))
@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_is_taken_can_be_marked_and_sent(body: bytes) -> None:
    try:
        job = read(body).job
    except IntakeError:
        return
    marks = tuple(Mark(level, "5m", writes=True) for level in levels_of(job.prefix)) if job.prefix else ()
    assert orjson.dumps(with_breakpoints(orjson.loads(job.body), job.prefix, Plan(marks=marks)))


ERRORS = [
    (InvalidJob([]), 400, "invalid_request_error", None),
    (Unauthenticated("who?"), 401, "authentication_error", None),
    (Forbidden("no"), 403, "permission_error", None),
    (ModelNotFound("x"), 404, "not_found_error", None),
    (BodyTooLarge("x"), 413, "request_too_large", None),
    (QueueFull("x", 30), 429, "rate_limit_error", "30"),
    (NotReady("x", 2), 529, "overloaded_error", "2"),
    (IntakeError("x"), 400, "invalid_request_error", None),
]


@pytest.mark.parametrize(("error", "status", "kind", "retry_after"), ERRORS)
def test_errors_are_told_as_by_the_api(
    error: IntakeError, status: int, kind: str, retry_after: str | None
) -> None:
    response = api_error(error)
    content = orjson.loads(response.body)
    assert (response.status_code, content["type"], content["error"]["type"]) == (status, "error", kind)
    assert response.headers["request-id"] == content["request_id"]
    assert response.headers.get("retry-after") == retry_after


FAILURES = [
    (JobError("overloaded_error", "x", status=200), 529, "overloaded_error"),
    (JobError("invalid_request_error", "x", status=413), 413, "invalid_request_error"),
    (JobError("timeout", "x"), 504, "timeout_error"),
    (JobError("connection_error", "x"), 500, "api_error"),
    (JobError("truncated_stream", "x"), 500, "api_error"),
    (JobError("http_502", "x", status=502), 502, "api_error"),
    (JobError("http_431", "x", status=431), 431, "invalid_request_error"),
    (JobError("too_large_for_limits", "x"), 400, "invalid_request_error"),
]


@pytest.mark.parametrize(("error", "status", "kind"), FAILURES)
def test_a_job_that_failed_answers_with_the_apis_own_error(error: JobError, status: int, kind: str) -> None:
    said, what = as_the_api_says(error)
    assert (said, what.type) == (status, kind)


def test_an_error_event_carries_code_and_request_id() -> None:
    error = JobError("rate_limit_error", "slow down", "ramp_limit_exceeded", 429, "req_1")
    name, data, *_ = error_event(error).split(b"\n")
    assert name == b"event: error"
    assert orjson.loads(data.removeprefix(b"data: ")) == {
        "type": "error",
        "error": {
            "type": "rate_limit_error",
            "message": "slow down",
            "details": {"error_code": "ramp_limit_exceeded"},
        },
        "request_id": "req_1",
    }
