"""Receipts of keyed requests. Each function is one transaction's work."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TypeVar

from claudeflow.domain.receipt import Receipt
from claudeflow.store.database import Work
from claudeflow.store.statements import SQL

T = TypeVar("T")

KEPT_MS = 24 * 3_600_000
"""How long a receipt is kept."""

MOST_RECEIPTS = 1_000_000
"""How many are kept at most, the newest."""

_FORGOTTEN_AT_ONCE = 8


def find(raw: sqlite3.Connection, caller: str, key: str, now_ms: int) -> Receipt | None:
    """What the caller's request with this key was answered, if that is still known."""
    wanted = {"caller": caller, "key": key, "after_ms": now_ms - KEPT_MS}
    row = raw.execute(SQL.receipt, wanted).fetchone()
    return None if row is None else Receipt(caller, key, *row)


def keep(raw: sqlite3.Connection, receipt: Receipt, now_ms: int, most: int = MOST_RECEIPTS) -> None:
    """Keep a receipt, and forget a few that are too old or too many: more than come in."""
    row = raw.execute(
        SQL.keep_receipt,
        {
            "caller": receipt.caller,
            "key": receipt.key,
            "fingerprint": receipt.fingerprint,
            "status": receipt.status,
            "location": receipt.location,
            "answer": receipt.answer,
            "now_ms": now_ms,
        },
    ).fetchone()
    forget = {"before_ms": now_ms - KEPT_MS, "up_to_id": row[0] - most, "limit": _FORGOTTEN_AT_ONCE}
    raw.execute(SQL.forget_receipts, forget)


def keep_with(raw: sqlite3.Connection, submit: Work[T], receipt_of: Callable[[T], Receipt], now_ms: int) -> T:
    """Do what is asked and keep its receipt, both or neither."""
    done = submit(raw)
    keep(raw, receipt_of(done), now_ms)
    return done
