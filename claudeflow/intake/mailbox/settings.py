"""What can be set about mailboxes as a whole; each has a description of its own."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MailboxSettings:
    """`folder` holds one description and one folder per mailbox; empty for none."""

    folder: str = ""
