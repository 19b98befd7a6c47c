"""What happens to mailboxes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MailboxTroubled:
    """A mailbox cannot be used; the others go on. `code` is stable, `remedy` the way out."""

    mailbox: str
    code: str
    problem: str
    remedy: str


@dataclass(frozen=True, slots=True)
class MailboxMended:
    """A mailbox that was in trouble works again."""

    mailbox: str


@dataclass(frozen=True, slots=True)
class MailboxTakenUp:
    """A mailbox is served from now on; its owner submits as `workflow`."""

    mailbox: str
    owner: str
    workflow: str


@dataclass(frozen=True, slots=True)
class MailboxGone:
    """A mailbox was removed: it is served no more."""

    mailbox: str


@dataclass(frozen=True, slots=True)
class PorterDied:
    """The process that opens mailboxes has ended; a new one begins. `mailbox` is what it was working on."""

    mailbox: str
    how: str


MailboxEvent = MailboxTroubled | MailboxMended | MailboxTakenUp | MailboxGone | PorterDied
