"""One mailbox file, open: the rows that ask, and the rows that answer. Only the porter has one of these.

Every method is one transaction, begins by looking whether the tables are still those of a mailbox, and
raises MailboxTrouble.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from claudeflow.intake.mailbox.guard import OWN_ROW_BYTES, ROOM_BYTES, TimeLimit, check_schema, restrain
from claudeflow.intake.mailbox.place import Place, identity, restore_sides
from claudeflow.intake.mailbox.statements import (
    ACCEPT,
    ANSWERED,
    ASKED,
    CLEANING,
    OUTBOX_COLUMNS,
    RECEIPT,
    REFUSED,
    TAKE,
)
from claudeflow.intake.mailbox.trouble import MEND, MailboxTrouble, trouble_of

MOST_S = 2.0
"""The longest that one transaction may take."""
COUNT_UP_TO = 10_000
CHECKPOINT_BYTES = 8 * 1024 * 1024

Row = tuple[int, str]
"""A row of inbox: its id and nonce."""


@dataclass(frozen=True, slots=True)
class Taken:
    """New rows. `large` are above the limit and were not read; with `more` others may come after `last`."""

    rows: list[dict[str, Any]]
    large: list[Row]
    last: int
    more: bool


class MailboxFile:
    """An open mailbox. Not for threads."""

    def __init__(self, place: Place, uuid: str, max_row_bytes: int) -> None:
        """Open it. Raises MailboxTrouble."""
        self._place = place
        self._max_row_bytes = max_row_bytes
        restore_sides(place)
        self._identity = identity(place)
        self._schema: int | None = None
        with _named():
            # mode=rw: never made here; a file that appears under this name is looked at again below
            uri = f"file:{quote(str(place.database))}?mode=rw"
            self._raw = sqlite3.connect(uri, uri=True, isolation_level=None, cached_statements=32, timeout=0)
        try:
            with _named():
                restrain(self._raw)
            self._time = TimeLimit(self._raw, MOST_S)
            self._check_uuid(uuid)
            self.check_identity()
        except BaseException:
            self._raw.close()
            raise

    def close(self) -> None:
        """Let it go."""
        with contextlib.suppress(sqlite3.Error):
            self._raw.close()
        restore_sides(self._place)

    def data_version(self) -> int:
        """A number that changes when somebody else has committed."""
        with _named():
            version: int = self._raw.execute("PRAGMA data_version").fetchone()[0]
            return version

    def check_identity(self) -> None:
        """The file under its name is still the one that is open. Raises MailboxTrouble."""
        if identity(self._place) != self._identity:
            raise MailboxTrouble(
                "replaced", "another file was put in its place", "nothing: it is opened anew"
            )

    def take(
        self, after: int, blocked_lanes: Sequence[str], default_lane: str, limit: int, most_bytes: int
    ) -> Taken:
        """The next new rows with ids above `after`, in their order, but those for lanes that take no more."""
        with self._transaction("DEFERRED", self._max_row_bytes + ROOM_BYTES) as raw:
            marks = ", ".join("?" * len(blocked_lanes))
            query = (
                "SELECT id FROM inbox WHERE state = 'new' AND id > ?"  # noqa: S608 - marks alone
                f" AND coalesce(lane, ?) NOT IN ({marks}) ORDER BY id LIMIT ?"
            )
            ids = [row[0] for row in raw.execute(query, (after, default_lane, *blocked_lanes, limit))]
            return self._read(raw, ids, after, most_bytes, is_full=len(ids) == limit)

    def _read(
        self, raw: sqlite3.Connection, ids: Iterable[int], after: int, most_bytes: int, *, is_full: bool
    ) -> Taken:
        taken = Taken([], [], after, more=is_full)
        left = most_bytes
        for row_id in ids:
            if left <= 0:
                return Taken(taken.rows, taken.large, taken.last, more=True)
            try:
                found = raw.execute(TAKE, (row_id,)).fetchone()
            except (sqlite3.DataError, sqlite3.OperationalError) as error:
                if not _is_too_large(error):
                    raise
                found = None
                nonce = raw.execute("SELECT nonce FROM inbox WHERE id = ?", (row_id,)).fetchone()
                taken.large.append((row_id, _text(nonce[0])))
            if found is not None:
                row = _plain(found)
                size = sum(len(part) for part in found if isinstance(part, bytes))
                if size > self._max_row_bytes:
                    taken.large.append((row["id"], row["nonce"]))
                else:
                    taken.rows.append(row)
                left -= size
            taken = Taken(taken.rows, taken.large, row_id, taken.more)
        return taken

    def settle(
        self, accepted: Iterable[tuple[int, str, int]], refused: Iterable[Mapping[str, Any]], at: str
    ) -> None:
        """Say what became of rows: their jobs, or the outbox rows that say why they are none."""
        with self._transaction("IMMEDIATE", OWN_ROW_BYTES) as raw:
            for row_id, nonce, job_id in accepted:
                raw.execute(ACCEPT, (job_id, at, row_id, nonce))
            for found in refused:
                values = dict(found)
                nonce, is_large = values.pop("nonce"), values.pop("is_large", False)
                if is_large:  # an UPDATE would read it, and write it again
                    gone = "DELETE FROM inbox WHERE id = ? AND nonce = ? AND state = 'new'"
                    done = raw.execute(gone, (values["inbox_id"], nonce)).rowcount
                else:
                    done = raw.execute(REFUSED, (values["inbox_id"], nonce)).rowcount
                if done and raw.execute(RECEIPT, (values["inbox_id"], nonce)).rowcount:
                    _insert(raw, values)

    def deliver(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write answers, each of them once: a row with a receipt has had its own."""
        with self._transaction("IMMEDIATE", OWN_ROW_BYTES) as raw:
            for found in rows:
                values = dict(found)
                row = (values["inbox_id"], values.pop("nonce"))
                raw.execute(ANSWERED, (values.get("job_id"), *row))
                if raw.execute(RECEIPT, row).rowcount:
                    _insert(raw, values)

    def clean(self, before: str, limit: int) -> int:
        """Delete what is done and old, at most so many rows of each kind; how many went."""
        with self._transaction("IMMEDIATE", OWN_ROW_BYTES) as raw:
            return sum(raw.execute(statement, (before, limit)).rowcount for statement in CLEANING)

    def waiting(self) -> int:
        """How many rows are new, counted up to 10,000."""
        with self._transaction("DEFERRED", OWN_ROW_BYTES) as raw:
            query = "SELECT count(*) FROM (SELECT 1 FROM inbox WHERE state = 'new' LIMIT ?)"
            count: int = raw.execute(query, (COUNT_UP_TO,)).fetchone()[0]
            return count

    def shorten_log(self) -> None:
        """Move a long log into the file, as far as readers let us."""
        log = self._place.files[1]
        if log.lstat().st_size > CHECKPOINT_BYTES:
            with _named():
                self._time.begin()
                self._raw.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    def _check_uuid(self, uuid: str) -> None:
        with self._transaction("DEFERRED", OWN_ROW_BYTES) as raw:
            found = raw.execute("SELECT uuid FROM mailbox LIMIT 2").fetchall()
        if found != [(uuid.encode(),)]:
            raise MailboxTrouble("replaced", "the file belongs to another mailbox", MEND)

    @contextlib.contextmanager
    def _transaction(self, kind: str, most_bytes: int) -> Iterator[sqlite3.Connection]:
        raw = self._raw
        with _named():
            raw.text_factory = bytes
            self._time.begin()
            raw.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, OWN_ROW_BYTES)
            raw.execute(f"BEGIN {kind}")
            try:
                self._check_schema()
                raw.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, most_bytes)
                yield raw
                raw.execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise

    def _check_schema(self) -> None:
        """Looked at again only when it has changed."""
        raw = self._raw
        if raw.execute("PRAGMA schema_version").fetchone()[0] != self._schema:
            raw.text_factory = str
            self._schema = check_schema(raw)
            raw.text_factory = bytes

    def _roll_back(self) -> None:
        if self._raw.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                self._raw.execute("ROLLBACK")


def _insert(raw: sqlite3.Connection, values: Mapping[str, Any]) -> None:
    names = [name for name in OUTBOX_COLUMNS if name in values]
    marks = ", ".join("?" * len(names))
    statement = f"INSERT INTO outbox ({', '.join(names)}) VALUES ({marks})"  # noqa: S608 - our own names
    raw.execute(statement, [values[name] for name in names])


def _plain(found: Sequence[Any]) -> dict[str, Any]:
    """A row as JSON can carry it; columns that hold no text have their kind under `wrong`."""
    row: dict[str, Any] = {"id": found[0], "nonce": _text(found[1]), "wrong": {}}
    for name, value in zip(ASKED, found[2:], strict=True):
        try:
            row[name] = value.decode() if isinstance(value, bytes) else value
        except UnicodeDecodeError:
            row["wrong"][name] = "is not UTF-8"
    return row


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _is_too_large(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_TOOBIG


@contextlib.contextmanager
def _named() -> Iterator[None]:
    """SQLite's refusals as MailboxTrouble."""
    try:
        yield
    except sqlite3.Error as error:
        raise trouble_of(error) from error
    except OSError as error:
        raise MailboxTrouble("unreadable", error.strerror or "cannot be read", MEND) from error
