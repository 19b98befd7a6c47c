"""What the client gives and takes: jobs, answers, events."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any, Literal, TypedDict

JobState = Literal["queued", "running", "succeeded", "failed", "cancelled", "expired", "held"]

FINAL: frozenset[str] = frozenset({"succeeded", "failed", "cancelled", "expired"})

Moment = str | datetime | timedelta
"""A time with a zone, so long from now, or either as text: `2026-11-22T09:00:00Z`, `+30m`."""


class JobFields(TypedDict, total=False):
    """A job as it is asked for: a `request`, or a `prompt` with its `input`. See docs/http.md."""

    request: Mapping[str, Any]
    prompt: str
    input: Mapping[str, Any]
    lane: str
    workflow: str
    priority: int
    not_before: Moment
    deadline: Moment
    dedupe_key: str
    metadata: Mapping[str, str]
    traceparent: str


class Message(dict[str, Any]):
    """The answer: the Message as the API sent it, a dictionary with a few conveniences."""

    @property
    def text(self) -> str:
        """Its text blocks, joined."""
        return "".join(block["text"] for block in self.get("content", ()) if block.get("type") == "text")

    @property
    def stop_reason(self) -> str | None:
        """Why it ends here: `end_turn`, `max_tokens`, `refusal` …"""
        return self.get("stop_reason")

    def json(self) -> Any:
        """Its text, parsed: for prompts with a schema. Raises ValueError."""
        return json.loads(self.text)


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job did not succeed. `status` and `request_id` are the API's, where it was asked."""

    type: str
    message: str
    code: str | None = None
    status: int | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it stands. Times are RFC 3339 in UTC, money is whole nano-dollars."""

    id: int
    state: JobState
    lane: str
    workflow: str
    model: str
    priority: int
    submitted_at: str
    not_before: str | None
    deadline: str | None
    started_at: str | None
    finished_at: str | None
    attempts: int
    tries: int
    crash_count: int
    wait_reason: str | None
    stop_reason: str | None
    error: JobError | None
    cost_nanousd: int
    batched: bool
    dedupe_key: str | None
    metadata: Mapping[str, str]
    submitted_by: str | None
    raw: Mapping[str, Any] = field(repr=False)
    """All fields as the daemon sent them, those of newer daemons included; not the answer."""

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return self.state in FINAL

    @property
    def is_settled(self) -> bool:
        """Whether it will not move by itself: final, or held for a person."""
        return self.is_final or self.state == "held"

    @property
    def succeeded(self) -> bool:
        """Whether it has its answer."""
        return self.state == "succeeded"

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Job:
        """The job that the daemon tells of."""
        raw = {name: value for name, value in record.items() if name != "result"}
        known = {one.name: record[one.name] for one in fields(cls) if one.name not in ("raw", "error")}
        return cls(**known, error=_error(record["error"]), raw=raw)


def _error(told: Mapping[str, Any] | None) -> JobError | None:
    if told is None:
        return None
    return JobError(**{one.name: told.get(one.name) for one in fields(JobError)})  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. docs/events.md lists each `type` with what its `data` has.

    `id` is where a later stream can go on: `events(last_event_id=...)`.
    """

    id: str
    type: str
    data: Mapping[str, Any]

    @property
    def at(self) -> str:
        """When it was told: RFC 3339 in UTC."""
        return str(self.data["at"])


@dataclass(frozen=True, slots=True)
class Mapped:
    """One result of `map`: the job that was asked for, and its answer or why there is none."""

    index: int
    fields: JobFields
    job: Job | None
    message: Message | None
    error: Exception | None

    @property
    def ok(self) -> bool:
        """Whether there is an answer."""
        return self.message is not None

    @property
    def answer(self) -> Message:
        """The answer. Raises JobFailed, InvalidRequest or AnswerGone without one."""
        if self.message is None:
            assert self.error is not None
            raise self.error
        return self.message

    @property
    def text(self) -> str:
        """The text of the answer. Raises as `answer`."""
        return self.answer.text


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a `map` is: jobs taken from the source, under way, and ended; `failed` are among the last."""

    taken: int
    in_flight: int
    ended: int
    failed: int
