"""The whole document, as `GET /openapi.json` serves it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from claudeflow.intake.http.openapi.access import access_operations
from claudeflow.intake.http.openapi.batches import batch_operations, pack_operations
from claudeflow.intake.http.openapi.bulk import bulk_operations
from claudeflow.intake.http.openapi.events import EVENTS
from claudeflow.intake.http.openapi.holds import hold_operations
from claudeflow.intake.http.openapi.jobs import job_operations
from claudeflow.intake.http.openapi.mailboxes import mailbox_operations
from claudeflow.intake.http.openapi.messages import message_operations
from claudeflow.intake.http.openapi.money import money_operations
from claudeflow.intake.http.openapi.operation import Operation, ok
from claudeflow.intake.http.openapi.shapes import (
    ANYTHING,
    TEXT,
    WHOLE,
    Components,
    Schema,
    array_of,
    reference,
)
from claudeflow.intake.http.openapi.state import state_operations

PATH = "/openapi.json"

_INTRODUCTION = """\
The daemon's HTTP interface, served over a Unix socket. Errors are problem documents (RFC 9457) whose `code` \
does not change. Query parameters and fields that an operation does not know are refused. Before any \
operation the door itself may answer 400 `malformed_request`, 408 `too_slow`, 431 `head_too_large` or 503 \
`too_many_connections`, and close the connection.\
"""


@cache
def document(version: str) -> Mapping[str, Any]:
    """The OpenAPI 3.1 document of this version."""
    known = Components()
    known.add("Problem", _problem())
    known.add("InvalidJobProblem", _invalid_job())
    by_tag = {
        "messages": message_operations(known),
        "jobs": (*job_operations(known), *bulk_operations()),
        "holds": hold_operations(known),
        "money": money_operations(known),
        "batches": batch_operations(known),
        "mailboxes": mailbox_operations(known),
        "packs": pack_operations(known),
        "access": access_operations(known),
        "state": (*state_operations(known), EVENTS, _OF_ITSELF),
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "claudeflow", "version": version, "description": _INTRODUCTION},
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in by_tag],
        "paths": _paths(by_tag),
        "components": {"schemas": dict(sorted(known.schemas.items()))},
    }


_OF_ITSELF = Operation("show_openapi", "GET", PATH, "This document", ok(ANYTHING))


def _paths(by_tag: Mapping[str, tuple[Operation, ...]]) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for tag, operations in by_tag.items():
        for operation in operations:
            paths.setdefault(operation.path, {})[operation.method.lower()] = operation.to_json(tag)
    return paths


def _problem() -> Schema:
    """What every refusal has."""
    return {
        "type": "object",
        "description": "A problem document (RFC 9457).",
        "properties": {"type": TEXT, "title": TEXT, "status": WHOLE, "code": TEXT, "detail": TEXT},
        "required": ["type", "title", "status", "code", "detail"],
    }


def _invalid_job() -> Schema:
    mistake = {
        "type": "object",
        "properties": {"line": WHOLE, "field": TEXT, "message": TEXT},
        "required": ["field", "message"],
    }
    return {
        "allOf": [reference("Problem")],
        "properties": {"errors": array_of(mistake)},
        "required": ["errors"],
    }
