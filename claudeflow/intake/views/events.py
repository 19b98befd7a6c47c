"""Events → the public JSON of the event stream. docs/events.md lists every field.

Prompts, answers, keys and the prose of API errors (which may quote a prompt) never get there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from claudeflow.domain.event_kinds import Happened, name_of
from claudeflow.domain.hold import Hold, Scope
from claudeflow.domain.job import JobError
from claudeflow.intake.times import write_time

PROSE = ("message",)
"""Fields of a JobError that may quote what was asked."""


def event_to_json(told: Happened) -> dict[str, Any]:
    """An event with its time and kind. Durations and money are as the fields' names say."""
    return {"at": write_time(told.at_ms), "event": name_of(told.event), **_fields(told.event)}


def _fields(value: Any) -> dict[str, Any]:
    return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}


def _plain(value: Any) -> Any:
    match value:
        case Enum():
            return value.value
        case Scope():
            return str(value)
        case JobError():
            return {name: part for name, part in _fields(value).items() if name not in PROSE}
        case Hold():
            said = None if value.is_probed else value.reason
            return {**_fields(value), "reason": said, "way_out": value.way_out}
        case Mapping():
            return {str(name): _plain(part) for name, part in value.items()}
        case tuple() | list():
            return [_plain(part) for part in value]
        case _:
            return _fields(value) if is_dataclass(value) else value
