"""Batches in the store: begun, sent, told of, ended. Each function is one transaction's work."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, fields

import orjson

from claudeflow.domain.batch import BatchCounts, BatchState, RemoteBatch
from claudeflow.domain.batch_report import BatchSpendRow
from claudeflow.domain.errors import BatchNotFound
from claudeflow.store.rows import Row
from claudeflow.store.statements import SQL

MOST_DIGITS = 18
"""No number of a call has more: it is a 64-bit integer."""


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """One of our batches. Times are epoch ms; `counts` are what the API told last.

    `warms` are the prefixes that it writes for later ones, `marks` those that its requests mark for the
    cache, each as its first part (tools and system); `left` counts requests whose jobs wait for
    them no more, `cancel_by` is who wants it stopped.
    """

    id: int
    state: BatchState
    name: str
    api_id: str | None
    warms: tuple[str, ...]
    marks: tuple[str, ...]
    made_ms: int
    attempted_ms: int | None
    created_ms: int | None
    expires_ms: int | None
    ended_ms: int | None
    done_ms: int | None
    requests: int
    bytes: int
    booked: int
    left: int
    cancel_by: str | None
    counts: BatchCounts
    problem: str | None

    def custom_id(self, call_id: int) -> str:
        """What the API is to call one of its requests."""
        return f"{self.name}-{call_id}"

    def call_of(self, custom_id: str) -> int | None:
        """The call that a custom id stands for; None when it is not one of ours."""
        name, _, number = custom_id.rpartition("-")
        is_ours = name == self.name and len(number) <= MOST_DIGITS and number.isascii() and number.isdigit()
        return int(number) if is_ours and self.custom_id(int(number)) == custom_id else None


def begin(
    raw: sqlite3.Connection, name: str, now_ms: int, *, warms: Sequence[str] = (), marks: Sequence[str] = ()
) -> int:
    """A batch that is to be filled; its number."""
    wanted = {
        "name": name,
        "warms": orjson.dumps(list(warms)).decode(),
        "marks": orjson.dumps(list(marks)).decode(),
        "now_ms": now_ms,
    }
    return int(raw.execute(SQL.begin_batch, wanted).fetchone()[0])


def ready(raw: sqlite3.Connection, batch_id: int) -> BatchRecord | None:
    """Its jobs are fixed, and the API surely does not have it. None: it is empty, and gone."""
    raw.execute(SQL.count_batch, {"id": batch_id})
    if raw.execute(SQL.drop_batch, {"id": batch_id}).rowcount:
        return None
    raw.execute(SQL.batch_is_ready, {"id": batch_id})
    return batch(raw, batch_id)


def drop(raw: sqlite3.Connection, batch_id: int, now_ms: int) -> None:
    """A batch that never left and has no jobs any more. Those that ended in it keep it in the books."""
    if not raw.execute(SQL.drop_batch, {"id": batch_id}).rowcount:
        end(raw, batch_id, BatchState.LOST, "it was not sent", now_ms)


def leaving(raw: sqlite3.Connection, batch_id: int, size: int, now_ms: int) -> None:
    """A create of so many bytes is about to leave: from now on the API may have it."""
    raw.execute(SQL.count_batch, {"id": batch_id})
    raw.execute(SQL.batch_is_leaving, {"id": batch_id, "bytes": size, "now_ms": now_ms})


def told(raw: sqlite3.Connection, batch_id: int, remote: RemoteBatch) -> BatchRecord:
    """What the API tells of it."""
    counts = remote.counts
    raw.execute(
        SQL.batch_was_told,
        {
            "id": batch_id,
            "api_id": remote.id,
            "created_ms": remote.created_ms,
            "expires_ms": remote.expires_ms,
            "ended_ms": remote.ended_ms,
            "state": BatchState(remote.status.value),
            "processing": counts.processing,
            "succeeded": counts.succeeded,
            "errored": counts.errored,
            "canceled": counts.canceled,
            "expired": counts.expired,
        },
    )
    return batch(raw, batch_id)


def trouble(raw: sqlite3.Connection, batch_id: int, problem: str) -> None:
    """What stands in its way now."""
    raw.execute(SQL.batch_has_trouble, {"id": batch_id, "problem": problem})


def end(raw: sqlite3.Connection, batch_id: int, state: BatchState, problem: str | None, now_ms: int) -> None:
    """Nothing is left to do about it: `DONE` or `LOST`."""
    raw.execute(SQL.batch_ends, {"id": batch_id, "state": state, "problem": problem, "now_ms": now_ms})


def batch(raw: sqlite3.Connection, batch_id: int) -> BatchRecord:
    """One batch. Raises BatchNotFound."""
    found = find(raw, batch_id)
    if found is None:
        raise BatchNotFound(f"no batch has the number {batch_id}; `claudeflow batches list` names them")
    return found


def find(raw: sqlite3.Connection, batch_id: int) -> BatchRecord | None:
    """One batch, if there is such a one."""
    row = raw.execute(SQL.batch, {"id": batch_id}).fetchone()
    return None if row is None else _record_from(row)


def open_batches(raw: sqlite3.Connection) -> list[BatchRecord]:
    """Those about which something is left to do, the oldest first."""
    return [_record_from(row) for row in raw.execute(SQL.open_batches)]


def batches(raw: sqlite3.Connection, before_id: int | None, limit: int) -> list[BatchRecord]:
    """Batches, the newest first."""
    wanted = {"before_id": before_id if before_id is not None else 2**62, "limit": limit}
    return [_record_from(row) for row in raw.execute(SQL.batches, wanted)]


def api_ids(raw: sqlite3.Connection, since_ms: int) -> frozenset[str]:
    """What the API calls those made since then."""
    return frozenset(api_id for (api_id,) in raw.execute(SQL.batch_ids, {"since_ms": since_ms}))


def marked(raw: sqlite3.Connection, since_ms: int) -> list[BatchRecord]:
    """Those made since then whose requests mark prefixes, the oldest first."""
    return [_record_from(row) for row in raw.execute(SQL.marked_batches, {"since_ms": since_ms})]


def spend_of(raw: sqlite3.Connection, batch_id: int) -> BatchSpendRow:
    """What a batch cost so far."""
    return BatchSpendRow(*raw.execute(SQL.spend_of_batch, {"id": batch_id}).fetchone())


@dataclass(frozen=True, slots=True)
class CacheUse:
    """So many of a batch's requests could have read a prefix, and so many did."""

    model: str
    prefix: str
    requests: int
    reads: int


def cache_use(raw: sqlite3.Connection, batch_id: int) -> list[CacheUse]:
    """How caching went in a batch."""
    return [CacheUse(*row) for row in raw.execute(SQL.batch_cache_use, {"id": batch_id})]


@dataclass(frozen=True, slots=True)
class OpenSpend:
    """What open requests of a batch have reserved, on one day (UTC)."""

    batch_id: int
    lane: str
    workflow: str
    day_ms: int
    requests: int
    reserved_nanousd: int
    opened_ms: int


def open_spend(raw: sqlite3.Connection) -> list[OpenSpend]:
    """What the batches that are under way may cost."""
    return [OpenSpend(*row) for row in raw.execute(SQL.open_batch_spend)]


def booked(raw: sqlite3.Connection, batch_id: int, requests: int) -> None:
    """So many more of its requests are in the books."""
    raw.execute(SQL.batch_was_booked, {"id": batch_id, "booked": requests})


def left(raw: sqlite3.Connection, batch_id: int, requests: int) -> None:
    """So many more of its jobs wait for it no more."""
    raw.execute(SQL.batch_was_left, {"id": batch_id, "left": requests})


def ask_to_cancel(raw: sqlite3.Connection, batch_id: int, who: str) -> BatchRecord:
    """Somebody wants it stopped. Raises BatchNotFound."""
    raw.execute(SQL.ask_to_cancel_batch, {"id": batch_id, "who": who})
    return batch(raw, batch_id)


_PLAIN = tuple(field.name for field in fields(BatchRecord))[6:17]


def _record_from(row: Row) -> BatchRecord:
    return BatchRecord(
        row[0],
        BatchState(row[1]),
        row[2],
        row[3],
        tuple(orjson.loads(row[4])),
        tuple(orjson.loads(row[5])),
        **dict(zip(_PLAIN, row[6:17], strict=True)),
        counts=BatchCounts(*row[17:22]),
        problem=row[22],
    )
