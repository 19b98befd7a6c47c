"""One operation of the HTTP interface, and how it is written in OpenAPI 3.1."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal

from claudeflow.domain.errors import IntakeError, InvalidJob, QueueFull
from claudeflow.intake.http.errors import (
    BodyTooLarge,
    ForeignOrigin,
    IdempotencyKeyInUse,
    IdempotencyKeyReused,
    InternalError,
    InvalidIdempotencyKey,
    InvalidQuery,
    NoRoom,
    NotAcceptable,
    StoreUnavailable,
    UnsupportedMediaType,
    WrongHost,
)
from claudeflow.intake.http.idempotency import HEADER, KEYED_PATHS, LONGEST_KEY, SUBMIT_PATH
from claudeflow.intake.http.needs import need_of
from claudeflow.intake.http.openapi.shapes import TEXT, Schema, reference
from claudeflow.policy.access.errors import (
    Forbidden,
    RateCapped,
    SpendCapped,
    TooManyJobs,
    Unauthenticated,
)
from claudeflow.policy.access.roles import Need

JSON = "application/json"
NDJSON = "application/x-ndjson"
PROBLEM = "application/problem+json"

ALWAYS: tuple[type[IntakeError], ...] = (
    InvalidQuery,
    ForeignOrigin,
    WrongHost,
    NotAcceptable,
    InternalError,
    StoreUnavailable,
)
"""What any request may be answered with."""

WITH_A_KEY: tuple[type[IntakeError], ...] = (
    InvalidIdempotencyKey,
    IdempotencyKeyInUse,
    IdempotencyKeyReused,
    BodyTooLarge,
)

_LATER = (StoreUnavailable, QueueFull, TooManyJobs, RateCapped, SpendCapped, NoRoom)

WITH_A_BODY: tuple[type[IntakeError], ...] = (BodyTooLarge, UnsupportedMediaType, NoRoom)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a query, or of the path, or a header."""

    name: str
    schema: Schema
    description: str = ""
    where: Literal["query", "path", "header"] = "query"

    def to_json(self) -> dict[str, Any]:
        """The parameter object."""
        found = {"name": self.name, "in": self.where, "schema": self.schema}
        described = {"description": self.description} if self.description else {}
        return found | described | ({"required": True} if self.where == "path" else {})


@dataclass(frozen=True, slots=True)
class Answer:
    """What a success looks like: schemas by media type, and the headers that come with it.

    `links` say where its values can be used: a runtime expression by operation and parameter.
    """

    description: str
    content: Mapping[str, Schema] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The response object."""
        found: dict[str, Any] = {"description": self.description}
        if self.headers:
            found["headers"] = {
                name: {"description": text, "schema": TEXT} for name, text in self.headers.items()
            }
        if self.content:
            found["content"] = {media: {"schema": schema} for media, schema in self.content.items()}
        if self.links:
            found["links"] = {
                operation: {"operationId": operation, "parameters": dict(parameters)}
                for operation, parameters in self.links.items()
            }
        return found


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. `name` is unique: clients are generated with it.

    `problems` are those beyond `ALWAYS`; with a body come `WITH_A_BODY`. Where `refuses_as_the_api`, callers
    get the API's own errors instead.
    """

    name: str
    method: str
    path: str
    summary: str
    answers: Mapping[int, Answer]
    parameters: tuple[Parameter, ...] = ()
    body: Mapping[str, Schema] | None = None
    body_is_needed: bool = True
    problems: tuple[type[IntakeError], ...] = ()
    refuses_as_the_api: bool = False

    def to_json(self, tag: str) -> dict[str, Any]:
        """The operation object."""
        found: dict[str, Any] = {"operationId": self.name, "summary": self.summary, "tags": [tag]}
        parameters = (*self.parameters, *([_KEY] if self._is_keyed else []))
        if parameters:
            found["parameters"] = [parameter.to_json() for parameter in parameters]
        if self.body is not None:
            content = {media: {"schema": schema} for media, schema in self.body.items()}
            found["requestBody"] = {"required": self.body_is_needed, "content": content}
        found["responses"] = self._responses()
        return found

    @property
    def _is_keyed(self) -> bool:
        return self.method == "POST" and self.path in {SUBMIT_PATH, *KEYED_PATHS}

    @property
    def _turned_away(self) -> tuple[type[IntakeError], ...]:
        """As what callers are turned away who may not ask for this."""
        match need_of(self.method, self.path):
            case Need.NOTHING:
                return ()
            case Need.NAME:
                return (Unauthenticated,)
            case _:
                return (Unauthenticated, Forbidden)

    def _responses(self) -> dict[str, Any]:
        found: dict[int | str, Any] = {status: answer.to_json() for status, answer in self.answers.items()}
        if self.refuses_as_the_api:
            headers = {"retry-after": "Seconds."}
            error = Answer("An error as the API has it", {JSON: reference("ApiError")}, headers).to_json()
            return {str(status): answer for status, answer in found.items()} | {"4XX": error, "5XX": error}
        with_a_body = WITH_A_BODY if self.body is not None else ()
        with_a_key = WITH_A_KEY if self._is_keyed else ()
        raised = (*ALWAYS, *self._turned_away, *with_a_body, *with_a_key, *self.problems)
        for status in sorted({kind.http_status for kind in raised}):
            kinds = {kind for kind in raised if kind.http_status == status}
            found.setdefault(status, _refusal(status, kinds))
        return {str(status): found[status] for status in sorted(found, key=str)}


_KEY = Parameter(
    HEADER,
    {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY + 2},
    "Makes it safe to send the request again: it is carried out once, and answered the same.",
    where="header",
)


def ok(schema: Schema, description: str = "OK") -> dict[int, Answer]:
    """The one good answer, as JSON."""
    return {200: Answer(description, {JSON: schema})}


def _refusal(status: int, kinds: Iterable[type[IntakeError]]) -> dict[str, Any]:
    """A problem document with one of the codes that these have."""
    listed = sorted(kinds, key=lambda kind: kind.code)
    texts = [f"`{kind.code}`: {(kind.__doc__ or '').splitlines()[0]}" for kind in listed]
    schema: Schema = {
        "allOf": [reference("Problem")],
        "properties": {"code": {"enum": [kind.code for kind in listed]}, "status": {"const": status}},
    }
    if any(issubclass(kind, InvalidJob) for kind in listed):
        schema["if"] = {"properties": {"code": {"const": InvalidJob.code}}}
        schema["then"] = reference("InvalidJobProblem")
    found: dict[str, Any] = {
        "description": "\n".join(texts) or HTTPStatus(status).phrase,
        "content": {PROBLEM: {"schema": schema}},
    }
    if any(issubclass(kind, _LATER) for kind in listed):
        found["headers"] = {"retry-after": {"description": "Seconds.", "schema": TEXT}}
    return found
