"""The desk of the drop-in endpoint: its callers wait on the line for what the API answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from claudeflow.domain.enquiry import Answer, Enquiry
from claudeflow.domain.job import NewJob
from claudeflow.policy.access.grants import Standing


@dataclass(frozen=True, slots=True)
class Ask:
    """A job that somebody waits for. `patience_s`: how long its call may take to leave, else its lane's."""

    job: NewJob
    by: Standing
    stream: bool = False
    patience_s: float | None = None


@dataclass(frozen=True, slots=True)
class Flow:
    """The answer streams: `Line.pieces` brings it, beginning now."""

    headers: Mapping[str, str] = field(default_factory=dict)


class Line(Protocol):
    """What one caller waits on. Close it, whatever has come."""

    @property
    def is_cut(self) -> bool:
        """Whether its reader was too slow and reads no more: the connection is to be dropped."""
        ...

    async def answer(self) -> Answer | Flow | None:
        """What the API answers, or why it was not asked; None when the caller hung up."""
        ...

    def pieces(self) -> AsyncIterator[bytes]:
        """The events of a stream in whole ones; ends with the answer, or early when the line is cut."""
        ...

    def hang_up(self) -> None:
        """The caller is gone."""
        ...

    def cut(self) -> None:
        """The caller does not read: nothing more is kept for it."""
        ...

    async def close(self) -> None:
        """Nobody waits any more: what becomes of a job without an answer is its lane's policy."""
        ...


class MessagesDesk(Protocol):
    """Where callers wait. Raises only `IntakeError`s (and `StoreError` when broken)."""

    async def open(self, ask: Ask) -> Line:
        """Store the job and let its caller wait for it. Raises QueueFull, NotReady."""
        ...

    async def enquire(self, enquiry: Enquiry, sender: str) -> Answer:
        """What the API says to `sender`, who is named as in `submitted_by`. Raises NotReady."""
        ...
