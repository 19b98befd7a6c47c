"""Batches: many requests handed to the API at once, at half price, answered in a day (Message Batches)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from claudeflow.domain.attempt import Failure


class BatchState(StrEnum):
    """Where one of our batches stands. Nothing of it has left before `CREATING`."""

    FILLING = "filling"
    """Its jobs are claimed bit by bit."""
    READY = "ready"
    """Its jobs are fixed, and the API surely does not have it: it is to be created."""
    CREATING = "creating"
    """A create left, or is about to: whether the API has the batch is not known."""
    IN_PROGRESS = "in_progress"
    """The API works on it."""
    CANCELING = "canceling"
    """The API was asked to stop: what it had begun may still be answered."""
    ENDED = "ended"
    """The API is through with it: its results are being read and booked."""
    DONE = "done"
    """Every one of its requests is booked."""
    LOST = "lost"
    """The API never named it, or has its results no more: what was not booked went back to the queue."""


OPEN_STATES = tuple(state for state in BatchState if state not in (BatchState.DONE, BatchState.LOST))
"""Those in which something is left to do."""


class ProcessingStatus(StrEnum):
    """The API's word for how far it is."""

    IN_PROGRESS = "in_progress"
    CANCELING = "canceling"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class BatchCounts:
    """Requests of a batch by how they stand. All but the first stay 0 until the API's `ended`."""

    processing: int = 0
    succeeded: int = 0
    errored: int = 0
    canceled: int = 0
    expired: int = 0

    @property
    def total(self) -> int:
        """All requests."""
        return self.processing + self.succeeded + self.errored + self.canceled + self.expired


@dataclass(frozen=True, slots=True)
class RemoteBatch:
    """A batch as the API tells of it. Times are epoch ms; results are kept for 29 days after `created_ms`."""

    id: str
    status: ProcessingStatus
    counts: BatchCounts
    created_ms: int
    expires_ms: int
    ended_ms: int | None = None
    archived_ms: int | None = None


@dataclass(frozen=True, slots=True)
class BatchTrouble:
    """A request about batches that failed. `may_have_arrived`: the API may have done what was asked.

    `is_missing`: the API answered that it knows no such batch (404).
    """

    failure: Failure
    may_have_arrived: bool
    is_missing: bool = False


class ResultsBroken(Exception):
    """The results of a batch were refused, or broke off. What was read before is right."""

    def __init__(self, trouble: BatchTrouble) -> None:
        super().__init__(trouble.failure.error.message)
        self.trouble = trouble


class ItemKind(StrEnum):
    """How one request of a batch ended. Only the first is billed."""

    SUCCEEDED = "succeeded"
    ERRORED = "errored"
    CANCELED = "canceled"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class ItemResult:
    """A line of a batch's results. `document` is the message, or the whole error envelope; else empty."""

    custom_id: str
    kind: ItemKind
    document: Mapping[str, Any]
