"""The drop-in endpoint: what the Claude API serves, answered as by it."""

from __future__ import annotations

from claudeflow.intake.http.openapi.operation import JSON, Answer, Operation, Parameter, ok
from claudeflow.intake.http.openapi.shapes import ANYTHING, TEXT, Components, Schema, reference
from claudeflow.intake.messages.headers import LANE, MAX_WAIT, OURS, WORKFLOW

_SENT = {JSON: reference("MessagesBody")}
_HEADERS = tuple(
    Parameter(OURS + name, TEXT, about, "header")
    for name, about in (
        (LANE, "The lane; default: the configured one."),
        (WORKFLOW, "The application that asks."),
        (MAX_WAIT, "How long the call may take to leave: seconds, or a time like `30s`."),
    )
)


def message_operations(known: Components) -> tuple[Operation, ...]:
    """Messages, token counts and models. Bodies are the API's: fields that nobody here knows pass."""
    known.add("ApiError", _api_error())
    answered = {
        200: Answer("A Message, or its events with `stream`", {JSON: ANYTHING, "text/event-stream": TEXT})
    }
    return (
        Operation("greet", "GET", "/", "Whether somebody is there", ok(ANYTHING), refuses_as_the_api=True),
        Operation(
            "create_message",
            "POST",
            "/v1/messages",
            "A Message, queued, paced, cached, budgeted and booked as any job",
            answered,
            _HEADERS,
            body=_SENT,
            refuses_as_the_api=True,
        ),
        Operation(
            "count_tokens",
            "POST",
            "/v1/messages/count_tokens",
            "How many input tokens a Message would have, as the API estimates",
            ok(ANYTHING),
            body={JSON: ANYTHING},
            refuses_as_the_api=True,
        ),
        Operation(
            "list_models",
            "GET",
            "/v1/models",
            "The models that the API offers",
            ok(ANYTHING),
            (Parameter("limit", TEXT), Parameter("after_id", TEXT), Parameter("before_id", TEXT)),
            refuses_as_the_api=True,
        ),
        Operation(
            "show_model",
            "GET",
            "/v1/models/{model_id}",
            "One model",
            ok(ANYTHING),
            (Parameter("model_id", TEXT, where="path"),),
            refuses_as_the_api=True,
        ),
    )


def _api_error() -> Schema:
    """The error envelope of the Claude API (Errors)."""
    error = {"type": "object", "properties": {"type": TEXT, "message": TEXT}, "required": ["type", "message"]}
    return {
        "type": "object",
        "properties": {"type": {"const": "error"}, "error": error, "request_id": TEXT},
        "required": ["type", "error"],
    }
