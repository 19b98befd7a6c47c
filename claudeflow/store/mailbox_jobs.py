"""Which rows of mailboxes became which jobs, and which answers are still to be written to them.

A mailbox is named by its uuid. Each function is one transaction's work.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import orjson

from claudeflow.domain.job import JobId, JobState
from claudeflow.domain.mailbox import Ended, InboxRow, Tokens
from claudeflow.store import jobs
from claudeflow.store.rows import Row, error_from_json
from claudeflow.store.statements import SQL

FORGOTTEN = "forgotten"


@dataclass(frozen=True, slots=True)
class Ends:
    """What is owed, and the jobs that were looked at: the others come next time."""

    found: Sequence[Ended]
    looked_at: Sequence[JobId]


def known(raw: sqlite3.Connection, mailbox: str, rows: Iterable[InboxRow]) -> dict[InboxRow, JobId]:
    """The rows that are jobs already."""
    found = {}
    for row in rows:
        key = _key(mailbox, row)
        stored = raw.execute(SQL.mailbox_job, key).fetchone()
        if stored is not None:
            found[row] = JobId(stored[0])
    return found


def owe_again(raw: sqlite3.Connection, mailbox: str, rows: Iterable[InboxRow]) -> None:
    """Rows that have had their answers are new again: the mailbox was put back to an earlier state."""
    raw.executemany(SQL.mailbox_row_owed_again, [_key(mailbox, row) for row in rows])


def submit_and_note(
    raw: sqlite3.Connection,
    submit: Callable[[sqlite3.Connection], list[jobs.Accepted]],
    note: Callable[[sqlite3.Connection, Sequence[jobs.Accepted]], None],
) -> list[jobs.Accepted]:
    """Jobs, and with them the rows that they come from. Raises QueueFull."""
    accepted = submit(raw)
    note(raw, accepted)
    return accepted


def note(
    raw: sqlite3.Connection,
    accepted: Sequence[jobs.Accepted],
    mailbox: str,
    rows: Sequence[InboxRow],
    now_ms: int,
) -> None:
    """In the transaction that stores the jobs: which rows they come from."""
    for row, found in zip(rows, accepted, strict=True):
        raw.execute(SQL.insert_mailbox_job, {**_key(mailbox, row), "job_id": found.id, "now_ms": now_ms})


def written(raw: sqlite3.Connection, mailbox: str, rows: Iterable[InboxRow], now_ms: int) -> None:
    """The answers of these rows are in the outbox."""
    raw.executemany(SQL.mailbox_row_written, [{**_key(mailbox, row), "now_ms": now_ms} for row in rows])


def owed(raw: sqlite3.Connection, mailbox: str) -> list[JobId]:
    """The jobs whose answers are still to be written."""
    return [JobId(row[0]) for row in raw.execute(SQL.owed_mailbox_jobs, {"mailbox": mailbox})]


def owed_counts(raw: sqlite3.Connection) -> Mapping[str, int]:
    """How many answers are still to be written, by mailbox."""
    return dict(raw.execute(SQL.owed_to_mailboxes).fetchall())


def owed_and_ended(raw: sqlite3.Connection, mailbox: str, limit: int) -> list[JobId]:
    """Jobs that have ended and whose answers are still to be written."""
    return [JobId(row[0]) for row in raw.execute(SQL.owed_and_ended, {"mailbox": mailbox, "limit": limit})]


def ended(raw: sqlite3.Connection, mailbox: str, wanted: Sequence[JobId], most_bytes: int) -> Ends:
    """What is owed of these jobs, as far as they have ended; no more once so many bytes are read."""
    found: list[Ended] = []
    for number, job_id in enumerate(wanted, 1):
        for row in raw.execute(SQL.ended_mailbox_jobs, {"mailbox": mailbox, "job_id": job_id}).fetchall():
            one = _ended(raw, row)
            found.append(one)
            most_bytes -= len(one.answer or b"")
        if most_bytes <= 0:
            return Ends(found, wanted[:number])
    return Ends(found, wanted)


def forget(raw: sqlite3.Connection, before_ms: int, limit: int) -> int:
    """Drop rows whose answers were written before then; how many."""
    return raw.execute(SQL.forget_mailbox_jobs, {"before_ms": before_ms, "limit": limit}).rowcount


def _ended(raw: sqlite3.Connection, row: Row) -> Ended:
    inbox_id, nonce, number, state, stop_reason, model, error, cost, metadata, *times, answer = row
    origin, job_id = InboxRow(inbox_id, nonce), JobId(number)
    if state is None:
        return Ended(origin, job_id, FORGOTTEN)
    submitted_ms, started_ms, finished_ms = times
    tokens = raw.execute(SQL.job_tokens, {"job_id": job_id}).fetchone()
    return Ended(
        origin,
        job_id,
        state,
        answer=_answer(raw, job_id, answer) if state == JobState.SUCCEEDED else None,
        stop_reason=stop_reason,
        model=model,
        error=error_from_json(error),
        tokens=Tokens(*tokens),
        cost_nanousd=cost,
        metadata=orjson.loads(metadata),
        submitted_ms=submitted_ms,
        started_ms=started_ms,
        finished_ms=finished_ms,
    )


def _answer(raw: sqlite3.Connection, job_id: JobId, inline: bytes | None) -> bytes | None:
    return jobs.blob(raw, job_id, "answer") if inline is None else inline


def _key(mailbox: str, row: InboxRow) -> dict[str, str | int]:
    return {"mailbox": mailbox, "inbox_id": row.id, "nonce": row.nonce}
