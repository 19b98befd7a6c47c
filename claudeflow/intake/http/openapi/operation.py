"""One operation of the HTTP interface, and how it is written in OpenAPI 3.1."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal

from claudeflow.domain.errors import IntakeError, InvalidJob, QueueFull
from claudeflow.intake.http.errors import (
    BodyTooLarge,
    InternalError,
    InvalidQuery,
    NotAcceptable,
    UnsupportedMediaType,
)
from claudeflow.intake.http.openapi.shapes import TEXT, Schema, reference

JSON = "application/json"
NDJSON = "application/x-ndjson"
PROBLEM = "application/problem+json"

ALWAYS: tuple[type[IntakeError], ...] = (InvalidQuery, NotAcceptable, InternalError)
"""What any request may be answered with."""

WITH_A_BODY: tuple[type[IntakeError], ...] = (BodyTooLarge, UnsupportedMediaType)


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
    """What a success looks like: schemas by media type, and the headers that come with it."""

    description: str
    content: Mapping[str, Schema] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The response object."""
        found: dict[str, Any] = {"description": self.description}
        if self.headers:
            found["headers"] = {
                name: {"description": text, "schema": TEXT} for name, text in self.headers.items()
            }
        if self.content:
            found["content"] = {media: {"schema": schema} for media, schema in self.content.items()}
        return found


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. `problems` are those beyond `ALWAYS`; with a body come `WITH_A_BODY`."""

    method: str
    path: str
    summary: str
    answers: Mapping[int, Answer]
    parameters: tuple[Parameter, ...] = ()
    body: Mapping[str, Schema] | None = None
    body_is_needed: bool = True
    problems: tuple[type[IntakeError], ...] = ()

    def to_json(self, tag: str) -> dict[str, Any]:
        """The operation object."""
        found: dict[str, Any] = {"operationId": self._id(), "summary": self.summary, "tags": [tag]}
        if self.parameters:
            found["parameters"] = [parameter.to_json() for parameter in self.parameters]
        if self.body is not None:
            content = {media: {"schema": schema} for media, schema in self.body.items()}
            found["requestBody"] = {"required": self.body_is_needed, "content": content}
        found["responses"] = self._responses()
        return found

    def _id(self) -> str:
        words = [word.strip("{}") for word in self.path.removeprefix("/v1").split("/") if word.strip("-")]
        return "_".join([self.method.lower(), *words]).replace("-", "_").replace(".", "_")

    def _responses(self) -> dict[str, Any]:
        found = {status: answer.to_json() for status, answer in self.answers.items()}
        raised = (*ALWAYS, *(WITH_A_BODY if self.body is not None else ()), *self.problems)
        for status in sorted({kind.http_status for kind in raised}):
            kinds = sorted(
                {kind for kind in raised if kind.http_status == status}, key=lambda kind: kind.code
            )
            found.setdefault(status, _refusal(status, kinds))
        return {str(status): found[status] for status in sorted(found)}


def ok(schema: Schema, description: str = "OK") -> dict[int, Answer]:
    """The one good answer, as JSON."""
    return {200: Answer(description, {JSON: schema})}


def _refusal(status: int, kinds: Iterable[type[IntakeError]]) -> dict[str, Any]:
    """A problem document with one of the codes that these have."""
    listed = sorted(kinds, key=lambda kind: kind.code)
    texts = [f"`{kind.code}`: {(kind.__doc__ or '').splitlines()[0]}" for kind in listed]
    is_invalid_job = any(issubclass(kind, InvalidJob) for kind in listed)
    schema = {
        "allOf": [reference("InvalidJobProblem" if is_invalid_job else "Problem")],
        "properties": {"code": {"enum": [kind.code for kind in listed]}, "status": {"const": status}},
    }
    found: dict[str, Any] = {
        "description": "\n".join(texts) or HTTPStatus(status).phrase,
        "content": {PROBLEM: {"schema": schema}},
    }
    if any(issubclass(kind, QueueFull) for kind in listed):
        found["headers"] = {"retry-after": {"description": "Seconds.", "schema": TEXT}}
    return found
