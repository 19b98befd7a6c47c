"""Jobs: the durable things that producers ask for, and the states they pass through.

    queued ──► running ──► succeeded
      ▲  │        │  ├───► failed
      │  │        │  ├───► cancelled
      │  │        │  └───► held        (the daemon crashed too often while it ran)
      │  │        └──────► queued      (retry, release, shutdown, crash)
      │  └──────► cancelled | expired | failed
      └─ failed | held | cancelled | expired   (asked for again by a person)

A job that waits for its retry is `queued` with a later `not_before_ms` and a reason.
Anything that `TRANSITIONS` does not list is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType

JobId = NewType("JobId", int)


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    HELD = "held"

    @property
    def is_final(self) -> bool:
        """True when the job will not move again by itself."""
        return self in FINAL_STATES


FINAL_STATES = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED, JobState.EXPIRED})

WAITING_STATES = frozenset({JobState.QUEUED, JobState.HELD})
"""A job in one of these can be moved."""

CANCELLABLE_STATES = WAITING_STATES | {JobState.RUNNING, JobState.CANCELLED}
"""A job in one of these can be cancelled; once more changes nothing."""

RETRYABLE_STATES = FINAL_STATES - {JobState.SUCCEEDED} | {JobState.HELD}
"""A job in one of these can be queued again."""

TRANSITIONS: Mapping[JobState, Mapping[JobState, str]] = {
    JobState.QUEUED: {
        JobState.RUNNING: "claimed: a lease is given",
        JobState.CANCELLED: "cancelled before it ran",
        JobState.EXPIRED: "its deadline passed, or cannot be met any more",
        JobState.FAILED: "larger than the limits ever let through",
    },
    JobState.RUNNING: {
        JobState.SUCCEEDED: "answered",
        JobState.FAILED: "refused for good, or its retry window is over",
        JobState.QUEUED: "to be tried again: retry, throttle, shutdown or crash",
        JobState.CANCELLED: "cancelled while it ran",
        JobState.HELD: "the daemon crashed too often while it ran",
    },
    JobState.SUCCEEDED: {},
    JobState.FAILED: {JobState.QUEUED: "asked for again"},
    JobState.CANCELLED: {JobState.QUEUED: "asked for again"},
    JobState.EXPIRED: {JobState.QUEUED: "asked for again"},
    JobState.HELD: {
        JobState.QUEUED: "released",
        JobState.CANCELLED: "cancelled while parked",
    },
}


def may_become(state: JobState, target: JobState) -> bool:
    """Whether a job may go from `state` to `target`."""
    return target in TRANSITIONS[state]


@dataclass(frozen=True, slots=True)
class PromptRef:
    """The prompt template that a job was submitted with: its name and the version then in force."""

    name: str
    version: str


class OnDisconnect(StrEnum):
    """What becomes of a job whose caller waits on the line, and goes away."""

    CANCEL = "cancel"
    FINISH = "finish"


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a request speaks with the API beside its body: headers such as `anthropic-beta`, and the query.

    Whoever brings one speaks with the API as it is: any message that the API gives is the answer.
    """

    headers: Mapping[str, str] = field(default_factory=dict)
    query: str = ""


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job as its producer asked for it, checked and complete, not yet stored.

    `body` is JSON: the whole Messages body, or with `prompt` set its rendered `messages` alone.
    `input_bytes` is the size of what will be sent; `prefix` names its cacheable part, if any. `pack` is the
    prompt as which it may share a call (`name@version`), None: it goes alone; `batched`: it goes by a batch.
    `most_input_tokens` is the most that its input can count, whatever it refers to (0: not looked at).
    `terms` (bits of `usage.Terms`) are what it asks for that decides at which prices it is billed.
    `fallback_model` is the cheaper model that would take it; while that answers, `asked_model` is the
    one that was asked for, and `fallback_reason` says why.
    `attended`: its caller waits on the line, and what becomes of the job when that breaks; such a job goes
    by no batch. `dialect` is how the caller speaks with the API.
    `dedupe_key` is one of `submitted_by` and the workflow, and of the `mailbox` (its uuid) by which it came.
    """

    lane: str
    workflow: str
    model: str
    pool: str
    max_tokens: int
    body: bytes
    input_bytes: int
    prompt: PromptRef | None = None
    prefix: str | None = None
    priority: int = 0
    not_before_ms: int = 0
    deadline_ms: int | None = None
    dedupe_key: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    traceparent: str | None = None
    submitted_by: str | None = None
    most_input_tokens: int = 0
    most_web_searches: int = 0
    terms: int = 0
    fallback_model: str | None = None
    asked_model: str | None = None
    fallback_reason: str | None = None
    pack: str | None = None
    batched: bool = False
    attended: OnDisconnect | None = None
    dialect: Dialect | None = None
    mailbox: str | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A queued job as the scheduler sees it: enough to choose and to size it, no payload.

    `items`: so many jobs share the call, for which this one stands.
    """

    id: JobId
    lane: str
    workflow: str
    model: str
    priority: int
    submitted_ms: int
    deadline_ms: int | None
    input_bytes: int
    max_tokens: int
    prefix: str | None
    most_input_tokens: int = 0
    most_web_searches: int = 0
    terms: int = 0
    pack: str | None = None
    batched: bool = False
    items: int = 1
    submitted_by: str | None = None


@dataclass(frozen=True, slots=True)
class Lease:
    """The time-limited right to work on a job. Every later write must carry `token` (fencing)."""

    token: int
    owner: str


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed job: what a worker needs to make one attempt.

    `attempts` counts earlier attempts that used up a try, `trying_ms` is the time they took with
    the waits after them; `tries` counts every attempt ever begun. `opened_ms` is when its call was
    opened: the hour of the books it belongs to, and the price it is billed at.
    """

    id: JobId
    lane: str
    workflow: str
    model: str
    pool: str
    max_tokens: int
    body: bytes
    prompt: PromptRef | None
    prefix: str | None
    submitted_ms: int
    first_attempt_ms: int
    deadline_ms: int | None
    attempts: int
    tries: int
    lease: Lease
    call_id: int
    traceparent: str | None = None
    trying_ms: int = 0
    opened_ms: int = 0
    dialect: Dialect | None = None
    submitted_by: str | None = None


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job did not succeed, as its producer may read it."""

    type: str
    message: str
    code: str | None = None
    status: int | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class JobRecord:
    """Everything the store knows of a job but its payload and result. Times are epoch milliseconds.

    `asked_model` is there when `model` answers in its place, for the `fallback_reason`. `batched`: it goes by
    Message Batches; `pack`: the prompt as which it may share a call.
    """

    id: JobId
    state: JobState
    lane: str
    workflow: str
    model: str
    priority: int
    submitted_ms: int
    not_before_ms: int
    deadline_ms: int | None
    started_ms: int | None
    finished_ms: int | None
    attempts: int
    tries: int
    crash_count: int
    wait_reason: str | None
    stop_reason: str | None
    error: JobError | None
    cost_nanousd: int
    prompt: PromptRef | None
    dedupe_key: str | None
    metadata: Mapping[str, str]
    submitted_by: str | None
    asked_model: str | None = None
    fallback_reason: str | None = None
    batched: bool = False
    pack: str | None = None
