"""Mailboxes for tests: made on disk, written to as a producer does, and served by a real daemon."""

from __future__ import annotations

import json
import os
import pwd
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from claudeflow.intake.mailbox.description import Description, new_uuid
from claudeflow.intake.mailbox.making import Ids, create
from claudeflow.intake.mailbox.place import Place
from tests.support.daemons import a_job
from tests.support.processes import Site, eventually

ME = pwd.getpwuid(os.getuid()).pw_name
MINE = Ids(os.getuid(), os.getgid())


def a_mailbox(folder: Path, name: str = "tickets", *, ids: Ids | None = None, **changes: Any) -> Mailbox:
    """A mailbox on disk that belongs to whoever runs the tests, or to `ids`."""
    values: dict[str, Any] = {
        "owner": ME,
        "group": ME,
        "workflow": "triage",
        "lanes": ("standard", "bulk"),
    }
    description = Description(name=name, uuid=new_uuid(), **{**values, **changes})
    place = Place(folder, name)
    create(place, description, ids or MINE)
    return Mailbox(place, description)


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A mailbox as its producer sees it."""

    place: Place
    description: Description

    @contextmanager
    def opened(self) -> Iterator[sqlite3.Connection]:
        """A connection as a producer's."""
        with closing(sqlite3.connect(self.place.database, isolation_level=None, timeout=20)) as raw:
            raw.row_factory = sqlite3.Row
            yield raw

    def ask(self, count: int = 1, *, first: int = 1, **columns: Any) -> list[int]:
        """Insert rows that differ in their number, in one transaction; their ids."""
        with self.opened() as raw:
            raw.execute("BEGIN IMMEDIATE")
            ids = [_insert(raw, number, columns) for number in range(first, first + count)]
            raw.execute("COMMIT")
        return ids

    def answers(self) -> list[dict[str, Any]]:
        """All of outbox."""
        return self.rows("SELECT * FROM outbox ORDER BY id")

    def inbox(self) -> list[dict[str, Any]]:
        """All of inbox."""
        return self.rows("SELECT * FROM inbox ORDER BY id")

    def rows(self, query: str) -> list[dict[str, Any]]:
        """What a producer reads."""
        with self.opened() as raw:
            return [dict(row) for row in raw.execute(query)]

    def answered(self, count: int, patience_s: float = 30.0) -> list[dict[str, Any]]:
        """The rows of outbox, once there are so many."""
        return eventually(
            lambda: found if len(found := self.answers()) >= count else [], patience_s=patience_s
        )


def _insert(raw: sqlite3.Connection, number: int, columns: dict[str, Any]) -> int:
    values = {"request": json.dumps(a_job(number)["request"]), **columns}
    marks = ", ".join("?" * len(values))
    statement = f"INSERT INTO inbox ({', '.join(values)}) VALUES ({marks})"
    row_id = raw.execute(statement, list(values.values())).lastrowid
    assert row_id is not None
    return row_id


def a_site(folder: Path, api: str, **tables: Any) -> tuple[Site, Path]:
    """A place for a daemon that serves mailboxes, and their folder."""
    mail = folder / "mail"
    mail.mkdir(mode=0o755)
    return Site(folder, api, {"mailboxes": {"folder": str(mail)}, **tables}), mail


def states_by_name(site: Site) -> dict[str, dict[str, Any]]:
    """How mailboxes stand, as the command line tells."""
    done = site.cli("mailbox", "list", "--json")
    assert done.returncode == 0, done.stderr
    return {row["name"]: row for row in json.loads(done.stdout)["mailboxes"]}
