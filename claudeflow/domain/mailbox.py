"""Mailboxes as the rest of claudeflow sees them: which row a job came from, and what goes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from claudeflow.domain.job import JobError, JobId


@dataclass(frozen=True, slots=True)
class InboxRow:
    """A row of an inbox. `nonce` tells it from others that had the same id, in an older file say."""

    id: int
    nonce: str


@dataclass(frozen=True, slots=True)
class Tokens:
    """What all attempts at a job used together."""

    uncached: int = 0
    cache_write: int = 0
    cache_read: int = 0
    output: int = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """What is owed to a row whose job has ended. `state` is `forgotten` when the store has it no more.

    `answer` is the Message as JSON. Tokens and cost are those of all attempts. Times are epoch milliseconds.
    """

    row: InboxRow
    job_id: JobId
    state: str
    answer: bytes | None = None
    stop_reason: str | None = None
    model: str | None = None
    error: JobError | None = None
    tokens: Tokens = field(default_factory=Tokens)
    cost_nanousd: int = 0
    metadata: Mapping[str, str] = field(default_factory=dict)
    submitted_ms: int | None = None
    started_ms: int | None = None
    finished_ms: int | None = None
