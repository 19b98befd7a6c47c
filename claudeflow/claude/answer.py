"""Whether an answer is one: what its stop reason and its schema say."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NoReturn

import orjson

from claudeflow.domain.attempt import Outcome, Rejected, Succeeded, Transient
from claudeflow.domain.job import JobError

if TYPE_CHECKING:
    import jsonschema_rs

BILLED_REFUSALS = frozenset({"bio", "frontier_llm", "reasoning_extraction"})


def judge(message: Mapping[str, Any], schema: Mapping[str, Any] | None) -> Outcome:
    """The outcome of a call that the API answered with a message.

    An answer without content is a success, unless a schema asked for some. Reasons given never
    quote the answer.
    """
    stop_reason = message.get("stop_reason")
    match stop_reason:
        case "refusal":
            return Rejected(_refusal(message))
        case "model_context_window_exceeded":
            return Rejected(
                JobError(stop_reason, "the answer ran into the end of the model's context window")
            )
        case "max_tokens" if schema is not None:
            return Rejected(JobError("truncated_output", "max_tokens cut the structured answer short"))
        case "end_turn" | "stop_sequence" if schema is not None:
            problem = _mismatch(message, schema)
            return Rejected(JobError("invalid_output", problem)) if problem else Succeeded(stop_reason)
        case str():
            return Succeeded(stop_reason)
        case _:
            return Transient(JobError("malformed_response", "the answer has no stop reason"))


def take(message: Mapping[str, Any]) -> Outcome:
    """The outcome where the caller judges for itself: whatever message the API gave is the answer."""
    stop_reason = message.get("stop_reason")
    return Succeeded(stop_reason) if isinstance(stop_reason, str) else judge(message, None)


def is_free(message: Mapping[str, Any]) -> bool:
    """Whether the API charges nothing for the tokens of this message.

    So it is with refusals before any output, unless they are of a billed category
    (handling-stop-reasons, release notes of 2026-09-24).
    """
    is_refusal = message.get("stop_reason") == "refusal"
    return is_refusal and not message.get("content") and _category(message) not in BILLED_REFUSALS


def _refusal(message: Mapping[str, Any]) -> JobError:
    code = _category(message)
    return JobError("refusal", f"the model refused to answer ({code or 'no category given'})", code)


def _category(message: Mapping[str, Any]) -> str | None:
    details = message.get("stop_details")
    category = details.get("category") if isinstance(details, dict) else None
    return category if isinstance(category, str) else None


def _mismatch(message: Mapping[str, Any], schema: Mapping[str, Any]) -> str | None:
    """Why the message does not match the schema; None when it does."""
    try:
        answer = orjson.loads(text_of(message))
    except orjson.JSONDecodeError:
        return "the answer is no JSON"
    return schema_mismatch(answer, schema)


def schema_mismatch(answer: Any, schema: Mapping[str, Any]) -> str | None:
    """Why an answer does not match the schema; None when it does. Nothing of it is quoted."""
    try:
        validator = _validator(orjson.dumps(schema))
    except ValueError:
        return "the schema itself cannot be used"
    for error in validator.iter_errors(answer):
        rule = "/".join(str(step) for step in error.schema_path)
        return f"the answer breaks its schema at {rule or 'the top'}"
    return None


def text_of(message: Mapping[str, Any]) -> str:
    """All text of a message."""
    content = message.get("content")
    blocks = content if isinstance(content, list) else []
    return "".join(
        block["text"]
        for block in blocks
        if isinstance(block, dict) and block.get("type") == "text" and isinstance(block.get("text"), str)
    )


@lru_cache(maxsize=256)
def _validator(schema: bytes) -> jsonschema_rs.Validator:
    import jsonschema_rs  # a few megabytes, and most jobs have no schema

    return jsonschema_rs.validator_for(orjson.loads(schema), retriever=_refuse)


def _refuse(uri: str) -> NoReturn:
    """No schema of a job may make this process fetch anything."""
    raise ValueError(f"{uri} is not part of the schema")
