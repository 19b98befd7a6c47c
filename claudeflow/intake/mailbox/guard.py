"""Guards around a connection to a database that somebody else writes: what SQLite may do with it."""

from __future__ import annotations

import sqlite3
import time
from functools import lru_cache
from importlib import resources

from claudeflow.intake.mailbox.trouble import MEND, MailboxTrouble

ROOM_BYTES = 64 * 1024
"""What the small columns of a row may have beside the large ones."""
OWN_ROW_BYTES = 256 * 1024 * 1024
"""The most that a row of outbox can have: an answer of 32 MiB, and its text."""
MOST_OBJECTS = 200
_MOST_SCHEMA_BYTES = 1024 * 1024
_STEPS_PER_LOOK = 10_000

_TABLES = frozenset({"inbox", "outbox", "receipts", "mailbox"})
_READABLE = _TABLES | {"sqlite_schema", "sqlite_master"}
_PRAGMAS = frozenset({"data_version", "schema_version", "wal_checkpoint"})
_FUNCTIONS = frozenset({"coalesce", "count", "strftime"})


def schema_text() -> str:
    """The tables of a mailbox, with comments for whoever types `.schema`."""
    return resources.files("claudeflow.intake.mailbox").joinpath("schema.sql").read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def own_objects() -> dict[str, str | None]:
    """What a mailbox has: name → definition, as SQLite keeps it."""
    raw = sqlite3.connect(":memory:")
    try:
        raw.executescript(schema_text())
        return dict(raw.execute("SELECT name, sql FROM sqlite_schema").fetchall())
    finally:
        raw.close()


def restrain(raw: sqlite3.Connection) -> None:
    """Before anything is read: no functions, triggers, views or attached files of a stranger's making."""
    raw.execute("PRAGMA busy_timeout = 0").fetchone()
    for pragma in ("trusted_schema = OFF", "cell_size_check = ON", "foreign_keys = OFF"):
        raw.execute(f"PRAGMA {pragma}")
    raw.execute("PRAGMA mmap_size = 0").fetchone()
    raw.execute("PRAGMA temp_store = MEMORY")
    raw.execute("PRAGMA cache_size = -512")
    raw.execute("PRAGMA synchronous = FULL")
    raw.execute("PRAGMA wal_autocheckpoint = 0").fetchone()
    for limit, most in _LIMITS.items():
        raw.setlimit(limit, most)
    for option, wanted in _OPTIONS.items():
        number = getattr(sqlite3, option, None)  # Python 3.12 and later
        if number is not None:
            raw.setconfig(number, wanted)  # type: ignore[attr-defined, unused-ignore]
    raw.set_authorizer(_authorize)


_LIMITS = {
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 1,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 100,
    sqlite3.SQLITE_LIMIT_COLUMN: 200,
    sqlite3.SQLITE_LIMIT_VDBE_OP: 25_000,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: _MOST_SCHEMA_BYTES,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
_OPTIONS = {
    "SQLITE_DBCONFIG_DEFENSIVE": True,
    "SQLITE_DBCONFIG_ENABLE_TRIGGER": False,
    "SQLITE_DBCONFIG_ENABLE_VIEW": False,
}


def _authorize(action: int, first: str | None, second: str | None, _: str | None, inner: str | None) -> int:
    """Only what claudeflow's own statements need. `inner` names the trigger or view that asks."""
    if inner is not None:
        return sqlite3.SQLITE_DENY
    match action:
        case sqlite3.SQLITE_SELECT | sqlite3.SQLITE_TRANSACTION:
            is_allowed = True
        case sqlite3.SQLITE_READ:
            is_allowed = first in _READABLE
        case sqlite3.SQLITE_INSERT:
            is_allowed = first in ("outbox", "receipts")
        case sqlite3.SQLITE_UPDATE:
            is_allowed = first == "inbox"
        case sqlite3.SQLITE_DELETE:
            is_allowed = first in ("inbox", "outbox", "receipts")
        case sqlite3.SQLITE_FUNCTION:
            is_allowed = second in _FUNCTIONS
        case sqlite3.SQLITE_PRAGMA:
            is_allowed = first in _PRAGMAS
        case _:
            is_allowed = False
    return sqlite3.SQLITE_OK if is_allowed else sqlite3.SQLITE_DENY


def check_schema(raw: sqlite3.Connection) -> int:
    """The tables are those of a mailbox, and nothing acts on them. The schema's version, in this transaction.

    Raises MailboxTrouble. A producer may have plain tables of its own beside them: nobody reads those.
    """
    version: int = raw.execute("PRAGMA schema_version").fetchone()[0]
    raw.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MOST_SCHEMA_BYTES)
    query = "SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema LIMIT ?"
    rows = raw.execute(query, (MOST_OBJECTS + 1,)).fetchall()
    wrong = _wrong_with(rows)
    if wrong:
        raise MailboxTrouble("altered", wrong, f"undo that; or {MEND}")
    return version


def _wrong_with(rows: list[tuple[str, str, str, int, str | None]]) -> str:
    """What is not as in a mailbox; empty when all is well. Names that producers chose are not repeated."""
    if len(rows) > MOST_OBJECTS:
        return f"it has more than {MOST_OBJECTS} tables and indexes"
    own, found = own_objects(), {name: sql for _, name, _, _, sql in rows}
    for name, sql in own.items():
        if name not in found:
            return f"the table or index {name} is gone"
        if found[name] != sql:
            return f"the table or index {name} was changed"
    for kind, name, table, root, _ in rows:
        if kind not in ("table", "index"):
            return f"it has a {kind if kind in ('trigger', 'view') else 'thing of an unknown kind'}"
        if kind == "table" and not root:
            return "it has a virtual table"
        if name not in own and table in _TABLES:
            return f"the table {table} has an index that is not claudeflow's"
    return ""


class TimeLimit:
    """Ends whatever SQLite does on a connection once it has taken too long."""

    def __init__(self, raw: sqlite3.Connection, most_s: float) -> None:
        self._most_s = most_s
        self._until = 0.0
        raw.set_progress_handler(self._is_over, _STEPS_PER_LOOK)

    def begin(self) -> None:
        """Count from now on."""
        self._until = time.monotonic() + self._most_s

    def _is_over(self) -> int:
        return time.monotonic() > self._until
