"""Attempts: one try at one job. A failed call is a value here, never an exception."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from claudeflow.domain.hold import HoldCause
from claudeflow.domain.job import JobError
from claudeflow.domain.quota import Reading
from claudeflow.domain.usage import Usage


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The API answered in full."""

    stop_reason: str


class ThrottleKind(StrEnum):
    """Which limit turned the call away."""

    RATE = "rate"
    RAMP = "ramp"


@dataclass(frozen=True, slots=True)
class Throttled:
    """429 for pace: the pool must pause; the job keeps its attempt."""

    error: JobError
    retry_after_s: float | None = None
    kind: ThrottleKind = ThrottleKind.RATE


@dataclass(frozen=True, slots=True)
class Overloaded:
    """529 or `overloaded_error`: the API as a whole is short of capacity."""

    error: JobError
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Transient:
    """5xx, 408, 409, timeout, connection lost, truncated stream: worth another try."""

    error: JobError
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Blocked:
    """Money, authentication or a missing model: the fault is not the job's, so the job waits.

    `delay_s` is how long it stays behind the others when the hold is over, or is to be probed.
    """

    error: JobError
    cause: HoldCause
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Rejected:
    """The request itself is at fault (400, 413, 422, refusal, context window): no retry helps."""

    error: JobError


@dataclass(frozen=True, slots=True)
class Interrupted:
    """We stopped the call ourselves: shutdown or cancellation."""

    error: JobError


Failure = Throttled | Overloaded | Transient | Blocked | Rejected | Interrupted
Outcome = Succeeded | Failure


@dataclass(frozen=True, slots=True)
class CacheMiss:
    """Why the API could not read a prefix again (Cache diagnostics).

    `reason` is the API's word, or `pending` when it had not yet compared the two calls;
    `missed_tokens` is about what could have been read.
    """

    reason: str
    missed_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """Outcome, usage and reading of one call.

    `message` is the answer's JSON when there is one, `message_id` its id. `sent` is False when
    the request surely never left this host. `usage_known` is False when the API may have billed
    something it did not report, `free` is True when it charges nothing for the tokens that it reports.
    `cache_miss` is there when the request asked for it and differs from the call that it named.
    `headers` are those of the answer, names in lower case; they are not kept.
    """

    outcome: Outcome
    usage: Usage = field(default_factory=Usage)
    raw_usage: bytes = b"{}"
    reading: Reading | None = None
    message: bytes | None = None
    message_id: str | None = None
    request_id: str | None = None
    http_status: int | None = None
    model: str | None = None
    sent: bool = True
    usage_known: bool = True
    free: bool = False
    first_byte_s: float | None = None
    cache_miss: CacheMiss | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Onlooker(Protocol):
    """Who reads a streamed answer while it comes in. It must not wait, nor raise."""

    def begins(self, headers: Mapping[str, str]) -> None:
        """The API answers 200, with these headers (names in lower case)."""
        ...

    def passes(self, events: bytes) -> None:
        """One or more whole events, to the byte as the API sent them."""
        ...
