"""The desk for mailboxes: what the front doors may ask about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from claudeflow.intake.mailbox.description import Description


@dataclass(frozen=True, slots=True)
class MailboxReport:
    """How a mailbox stands.

    `state`: `serving`; `full` while a lane takes no more; `opening`; `trouble`; `offline` without a daemon.
    `waiting` rows are new (counted up to 10,000; None when nobody can say), `owed` answers are still to be
    written. `code`, `problem` and `remedy` are there in trouble. `mailbox` is None when
    its description is wrong.
    """

    name: str
    state: str
    mailbox: Description | None
    waiting: int | None = None
    owed: int = 0
    last_transfer_ms: int | None = None
    code: str | None = None
    problem: str | None = None
    remedy: str | None = None


class MailboxDesk(Protocol):
    """What a front door may ask for. Raises only `IntakeError`s (and `StoreError` when broken)."""

    async def report(self) -> tuple[MailboxReport, ...]:
        """Every mailbox, by name."""
        ...

    async def one(self, name: str) -> MailboxReport:
        """One mailbox. Raises MailboxNotFound."""
        ...
