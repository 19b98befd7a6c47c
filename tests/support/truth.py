"""Holds every answer of the HTTP interface against its OpenAPI document."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jsonschema_rs
import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from claudeflow import __version__
from claudeflow.intake.http.app import is_the_apis
from claudeflow.intake.http.openapi.document import document

ROUTING = {404: "not_found", 405: "method_not_allowed"}
"""What paths and methods that are not served answer: no operation, so not in the document."""


@dataclass(slots=True)
class Truth:
    """An application whose answers are compared; `lies` are those that the document does not allow."""

    app: ASGIApp
    lies: list[str] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does, and look at what it sends."""
        seen = _Answer()

        async def hear() -> Message:
            message = await receive()
            seen.is_heard = message["type"] != "http.disconnect"
            return message

        async def look(message: Message) -> None:
            seen.note(message)
            await send(message)

        await self.app(scope, hear, look)
        if scope["type"] == "http" and seen.is_whole and seen.is_heard:
            self.lies += [f"{scope['method']} {scope['path']}: {lie}" for lie in lies_of(scope, seen)]

    def raise_if_any(self) -> None:
        """Raise AssertionError when an answer was not as the document says."""
        assert not self.lies, "\n".join(self.lies)


@dataclass(slots=True)
class _Answer:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    is_whole: bool = False
    is_heard: bool = True

    def note(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode("latin-1") for name, value in message["headers"]}
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")
            self.is_whole = not message.get("more_body", False)


def lies_of(scope: MutableMapping[str, Any], seen: _Answer) -> list[str]:
    """What the document does not allow about an answer."""
    operation = operation_at(scope["method"], scope["path"])
    if seen.status in ROUTING and _says_that_nothing_is_there(scope, seen):
        return []
    if operation is None:
        is_look = scope["method"] == "HEAD"
        return [] if is_look else [f"{seen.status} from an operation that is not in the document"]
    responses = operation["responses"]
    answer = responses.get(str(seen.status)) or responses.get(f"{seen.status // 100}XX")
    if answer is None:
        return [f"{seen.status} is not among {sorted(operation['responses'])}: {bytes(seen.body[:300])!r}"]
    return _wrong_content(answer, seen) + _wrong_headers(answer, seen)


def _says_that_nothing_is_there(scope: MutableMapping[str, Any], seen: _Answer) -> bool:
    """Whether this is how a path or a method that is not served is answered."""
    told = orjson.loads(seen.body or b"{}")
    if is_the_apis(scope["path"]):
        return operation_at(scope["method"], scope["path"]) is None and told.get("type") == "error"
    return bool(told.get("code") == ROUTING[seen.status])


def _wrong_content(answer: Mapping[str, Any], seen: _Answer) -> list[str]:
    media = seen.headers.get("content-type", "").partition(";")[0]
    schema = answer.get("content", {}).get(media, {}).get("schema")
    if schema is None:
        return [f"{seen.status} came as {media!r}"]
    if "json" not in media or not seen.body:
        return []
    parts = seen.body.splitlines() if media == "application/x-ndjson" else [seen.body]
    check = validator(orjson.dumps(schema))
    found = [error for part in parts for error in check.iter_errors(orjson.loads(part))]
    return [f"{seen.status}: {error.instance_path}: {error.message[:300]}" for error in found]


def _wrong_headers(answer: Mapping[str, Any], seen: _Answer) -> list[str]:
    named = {"location", "retry-after"} & seen.headers.keys()
    return [f"{seen.status} has a header {name}" for name in named - answer.get("headers", {}).keys()]


def operation_at(method: str, path: str) -> Mapping[str, Any] | None:
    """The operation that serves a path; those with fewer parameters go first."""
    for template, operations in sorted(the_document()["paths"].items(), key=lambda item: item[0].count("{")):
        if pattern(template).fullmatch(path) and method.lower() in operations:
            found: Mapping[str, Any] = operations[method.lower()]
            return found
    return None


@cache
def pattern(template: str) -> re.Pattern[str]:
    """What paths of a template look like."""
    return re.compile("".join("[^/]+" if part[:1] == "{" else re.escape(part) for part in _parts(template)))


def _parts(template: str) -> list[str]:
    return re.split(r"(\{[^}]+\})", template)


@cache
def validator(schema: bytes) -> Any:
    """A validator of answers that may refer to the document's components."""
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", **orjson.loads(schema)}
    whole["components"] = the_document()["components"]
    return jsonschema_rs.validator_for(whole, validate_formats=True)


def the_document() -> Mapping[str, Any]:
    """The document as it is served."""
    return document(__version__)
