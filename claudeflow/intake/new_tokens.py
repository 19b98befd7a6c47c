"""What somebody wants a new token to be → NewToken. All mistakes are reported at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields as fields_of
from fnmatch import filter as matching
from typing import Any

from pydantic import TypeAdapter, ValidationError

from claudeflow.domain.token import NAME_FORM, is_token_name
from claudeflow.intake.desks.access import NewToken
from claudeflow.intake.json_text import write
from claudeflow.intake.mistakes import Mistakes, did_you_mean, listed, show
from claudeflow.intake.times import read_time
from claudeflow.policy.access.settings import WORKFLOW_PATTERN_FORM, GrantSettings, is_workflow_pattern

_ALLOWS = tuple(field.name for field in fields_of(GrantSettings))
KNOWN_FIELDS = ("name", "expires_at", *_ALLOWS)
_GRANT: TypeAdapter[GrantSettings] = TypeAdapter(GrantSettings)


def read_token(
    fields: dict[str, Any], lanes: Iterable[str], now_ms: int, created_by: str, mistakes: Mistakes
) -> NewToken | None:
    """The token that is wanted; None when something is wrong, which is noted."""
    for given in fields:
        if given not in KNOWN_FIELDS:
            hint = did_you_mean(given, KNOWN_FIELDS)
            mistakes.add(given, f"is no field of a token; known are {listed(KNOWN_FIELDS)}.{hint}")
    name = fields.get("name")
    if not isinstance(name, str) or not is_token_name(name):
        mistakes.add("name", f"must be {NAME_FORM}, found {show(name)}")
    expires_ms = read_time("expires_at", fields.get("expires_at"), now_ms, mistakes)
    if expires_ms is not None and expires_ms <= now_ms:
        mistakes.add("expires_at", "is not in the future")
    allows = _read_grant(fields, mistakes)
    if allows is not None:
        _check_lanes(allows, sorted(lanes), mistakes)
        _check_workflows(allows, mistakes)
    return NewToken(str(name), allows, expires_ms, created_by) if allows is not None else None


def _read_grant(fields: dict[str, Any], mistakes: Mistakes) -> GrantSettings | None:
    given = {name: value for name, value in fields.items() if name in _ALLOWS and value is not None}
    try:
        return _GRANT.validate_json(write("body", given, mistakes), strict=True)
    except ValidationError as problem:
        for error in problem.errors():
            path = ".".join(str(part) for part in error["loc"])
            mistakes.add(
                path, f"{error['msg'].replace('Input should', 'must')}, found {show(error['input'])}"
            )
        return None


def _check_lanes(allows: GrantSettings, lanes: list[str], mistakes: Mistakes) -> None:
    for number, lane in enumerate(allows.lanes):
        if not matching(lanes, lane):
            hint = did_you_mean(lane, lanes)
            mistakes.add(f"lanes.{number}", f"{show(lane)} is no lane; lanes are {listed(lanes)}.{hint}")


def _check_workflows(allows: GrantSettings, mistakes: Mistakes) -> None:
    for number, workflow in enumerate(allows.workflows):
        if not is_workflow_pattern(workflow):
            mistakes.add(f"workflows.{number}", f"{WORKFLOW_PATTERN_FORM}, found {show(workflow)}")
