"""What each submitter has in the queue and has spent: kept by triggers, looked up in one row each."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from claudeflow.domain.ledger import SubmitterRow
from claudeflow.policy.access.grants import Caps
from claudeflow.policy.access.usage import DAY_MS, Used, room
from claudeflow.store.statements import SQL


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends jobs, and how much it may send."""

    name: str
    caps: Caps


def used(raw: sqlite3.Connection, name: str, now_ms: int) -> Used:
    """What a submitter has in the queue, and what its jobs cost today."""
    wanted = {"submitted_by": name, "day_ms": now_ms - now_ms % DAY_MS}
    return Used(*raw.execute(SQL.used_by, wanted).fetchone())


def spent_by_submitter(raw: sqlite3.Connection, since_ms: int, until_ms: int | None) -> list[SubmitterRow]:
    """What the jobs of each submitter cost on the days from one until another, the dearest first."""
    window = {"since_ms": since_ms, "until_ms": until_ms}
    return [SubmitterRow(*row) for row in raw.execute(SQL.spent_by_submitter, window)]


def check_room(raw: sqlite3.Connection, sender: Sender, now_ms: int) -> None:
    """Whether the jobs of a sender fit, the new ones among them. Raises TooManyJobs, SpendCapped."""
    if sender.caps.max_queued is None and sender.caps.nanousd_per_day is None:
        return
    refusal = room(sender.name, sender.caps, used(raw, sender.name, now_ms), now_ms)
    if refusal is not None:
        raise refusal
