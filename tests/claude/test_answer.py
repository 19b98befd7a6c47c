"""Whether an answer counts as one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeflow.claude.answer import judge
from claudeflow.domain.attempt import Rejected, Succeeded, Transient
from tests.support.scripted import a_message

SCHEMA = {
    "type": "object",
    "properties": {"label": {"enum": ["bug", "question"]}},
    "required": ["label"],
    "additionalProperties": False,
}


def error_type(message: dict[str, Any], schema: dict[str, Any] | None = None) -> str:
    outcome = judge(message, schema)
    assert isinstance(outcome, Rejected)
    return outcome.error.type


@pytest.mark.parametrize(
    "stop_reason",
    ["end_turn", "stop_sequence", "max_tokens", "tool_use", "pause_turn", "a_reason_of_tomorrow"],
)
def test_a_message_with_a_stop_reason_is_a_success(stop_reason: str) -> None:
    assert judge(a_message(stop_reason=stop_reason), None) == Succeeded(stop_reason)


def test_an_empty_answer_is_a_success_unless_a_schema_asked_for_more() -> None:
    assert judge(a_message(""), None) == Succeeded("end_turn")
    assert error_type(a_message(""), SCHEMA) == "invalid_output"


def test_a_refusal_names_its_category() -> None:
    message = a_message("", stop_reason="refusal", stop_details={"type": "refusal", "category": "bio"})
    outcome = judge(message, None)
    assert isinstance(outcome, Rejected)
    assert (outcome.error.type, outcome.error.code) == ("refusal", "bio")
    for details in (None, "odd", {"category": None}):
        assert error_type(a_message("", stop_reason="refusal", stop_details=details)) == "refusal"


def test_the_end_of_the_context_window_is_no_success() -> None:
    message = a_message(stop_reason="model_context_window_exceeded")
    assert error_type(message) == "model_context_window_exceeded"


def test_a_structured_answer_that_was_cut_short_is_rejected() -> None:
    assert error_type(a_message('{"label', stop_reason="max_tokens"), SCHEMA) == "truncated_output"


def test_a_structured_answer_must_match_its_schema() -> None:
    assert judge(a_message('{"label": "bug"}'), SCHEMA) == Succeeded("end_turn")
    for text in (
        '{"label": "cat"}',
        "{}",
        "no JSON",
        '{"label": NaN}',
        '["bug"]',
        '{"label":"bug"} trailing',
    ):
        assert error_type(a_message(text), SCHEMA) == "invalid_output"


def test_the_text_of_all_text_blocks_is_the_answer() -> None:
    content = [
        {"type": "thinking", "thinking": "hm"},
        {"type": "text", "text": '{"label":'},
        {"type": "text", "text": '"bug"}'},
    ]
    assert judge(a_message(content=content), SCHEMA) == Succeeded("end_turn")


def test_a_tool_call_is_not_measured_by_the_schema() -> None:
    assert judge(a_message("", stop_reason="tool_use"), SCHEMA) == Succeeded("tool_use")


def test_the_reason_tells_the_rule_and_not_the_answer() -> None:
    outcome = judge(a_message('{"label": "top secret"}'), SCHEMA)
    assert isinstance(outcome, Rejected)
    assert "properties/label/enum" in outcome.error.message
    assert "secret" not in outcome.error.message


@pytest.mark.parametrize("schema", [{"type": 5}, {"$ref": "http://127.0.0.1:9/schema.json"}])
def test_a_schema_that_cannot_be_used_is_said_to_be_so_and_nothing_is_fetched(schema: dict[str, Any]) -> None:
    outcome = judge(a_message("{}"), schema)
    assert isinstance(outcome, Rejected)
    assert outcome.error.message == "the schema itself cannot be used"


@pytest.mark.parametrize("stop_reason", [None, 7])
def test_an_answer_without_a_stop_reason_is_worth_another_try(stop_reason: object) -> None:
    assert isinstance(judge(a_message(stop_reason=stop_reason), None), Transient)


ODD = st.recursive(
    st.none() | st.booleans() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["type", "text", "category"]), inner),
)
REASONS = st.sampled_from(["end_turn", "refusal", "max_tokens"])


@given(REASONS, ODD, ODD)
def test_odd_answers_never_raise(stop_reason: str, content: object, details: object) -> None:
    message = {"stop_reason": stop_reason, "content": content, "stop_details": details}
    assert judge(message, SCHEMA)
    assert judge(message, None)
