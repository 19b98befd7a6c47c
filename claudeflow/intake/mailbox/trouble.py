"""What can be wrong with a mailbox: a stable code, the problem in words, and the way out."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from claudeflow.domain.errors import ClaudeflowError

MEND = "as root, `claudeflow mailbox mend NAME` puts an empty one in its place and keeps this one beside it"
_FALLBACK = ("unreadable", "SQLite refused to work on it", MEND)

_BY_CODE: Mapping[int, tuple[str, str, str]] = {
    sqlite3.SQLITE_BUSY: (
        "locked",
        "a program keeps it locked",
        "end the transaction that a program has left open: `fuser` on the file names it",
    ),
    sqlite3.SQLITE_LOCKED: ("locked", "a program keeps it locked", "end that program's transaction"),
    sqlite3.SQLITE_INTERRUPT: (
        "slow",
        "it took longer than a mailbox may",
        "make it smaller: delete rows that were read, then VACUUM",
    ),
    sqlite3.SQLITE_FULL: (
        "full",
        "its disk or its owner's quota is full",
        "make room, or delete rows that were read and VACUUM",
    ),
    sqlite3.SQLITE_READONLY: ("not_permitted", "the daemon may not write to it", MEND),
    sqlite3.SQLITE_PERM: ("not_permitted", "the daemon may not use it", MEND),
    sqlite3.SQLITE_CANTOPEN: ("not_permitted", "it, or its -wal or -shm file, cannot be opened", MEND),
    sqlite3.SQLITE_CORRUPT: ("broken", "the file is damaged", MEND),
    sqlite3.SQLITE_NOTADB: ("broken", "the file is no SQLite database", MEND),
    sqlite3.SQLITE_IOERR: ("unreadable", "the disk refused to read or write it", "look at the disk"),
    sqlite3.SQLITE_NOMEM: ("slow", "it needs more memory than a mailbox may", MEND),
    sqlite3.SQLITE_AUTH: (
        "altered",
        "its tables do more than those of a mailbox",
        "drop what was added (triggers, views, columns), or mend it: " + MEND,
    ),
    sqlite3.SQLITE_TOOBIG: ("broken", "a row or its schema is larger than any mailbox's", MEND),
    sqlite3.SQLITE_ERROR: ("altered", "its tables are not those of a mailbox", MEND),
    sqlite3.SQLITE_SCHEMA: ("altered", "its tables change all the time", "stop changing them"),
    sqlite3.SQLITE_CONSTRAINT: ("altered", "its tables refuse what a mailbox's take", MEND),
}


class MailboxTrouble(ClaudeflowError):
    """A mailbox cannot be used now. `remedy` says what its owner or an administrator can do."""

    def __init__(self, code: str, problem: str, remedy: str) -> None:
        self.code = code
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{problem}; {remedy}")


def trouble_of(error: sqlite3.Error) -> MailboxTrouble:
    """SQLite's refusal in words. Its own text may quote what a producer wrote: it is left out."""
    number = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if isinstance(error, UnicodeError) or "decode" in str(error):
        return MailboxTrouble("broken", "it has text that is not UTF-8", MEND)
    code, problem, remedy = _BY_CODE.get(number, _FALLBACK)
    return MailboxTrouble(code, problem, remedy)
