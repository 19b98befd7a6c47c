"""Kinds of events: their public names, which of them somebody wants, and an event's place in the stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from claudeflow.domain.events import Event, HoldSet, JobMoved
from claudeflow.domain.job import JobId


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


KINDS: Mapping[str, type[Event]] = {_snake(kind.__name__): kind for kind in get_args(Event)}
"""Public name (`job_finished`) → class. docs/events.md is drawn from it."""

_NAMES: Mapping[type[Event], str] = {kind: name for name, kind in KINDS.items()}


def name_of(event: Event) -> str:
    """The public name of an event's kind."""
    return _NAMES[type(event)]


@dataclass(frozen=True, slots=True)
class Happened:
    """An event in the stream of one daemon: its number, counted from 1, and when it was told."""

    number: int
    at_ms: int
    event: Event


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events somebody wants: those that pass every test that is given.

    A job, lane or workflow is a test for events that name it, be it as the scope of a hold or budget.
    """

    kinds: frozenset[type[Event]] = frozenset()
    job_id: JobId | None = None
    lane: str | None = None
    workflow: str | None = None
    submitted_by: str | None = None
    """Only what happens to jobs that this caller sent, one by one."""

    def takes(self, event: Event) -> bool:
        """Whether the event is wanted."""
        if self.kinds and type(event) not in self.kinds:
            return False
        if self.submitted_by not in (None, getattr(event, "submitted_by", None)):
            return False
        wanted = (("job", self.job_id), ("lane", self.lane), ("workflow", self.workflow))
        return all(_concerns(event, kind, name) for kind, name in wanted if name is not None)


def _concerns(event: Event, kind: str, name: JobId | str) -> bool:
    """Whether an event names this job, lane or workflow."""
    scope = event.hold.scope if isinstance(event, HoldSet) else getattr(event, "scope", "")
    if str(scope) == f"{kind}:{name}":
        return True
    if kind == "lane" and isinstance(event, JobMoved) and event.from_lane == name:
        return True
    return bool(getattr(event, "job_id" if kind == "job" else kind, None) == name)
