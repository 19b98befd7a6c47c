"""Receipts in the store: how long they are known, and how many."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from claudeflow.domain.errors import QueueFull
from claudeflow.domain.receipt import Receipt
from claudeflow.store import receipts
from claudeflow.store.database import Database
from claudeflow.store.jobs import submit
from tests.store.builders import NOW_MS, a_new_job

GIVEN = Receipt("ops", "k1", b"\x01\x02", 201, "/v1/jobs/1", b'{"id":1}')


def count(raw: sqlite3.Connection, table: str) -> int:
    found: int = raw.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    return found


def test_a_receipt_is_found_by_its_caller_for_a_day(raw: sqlite3.Connection) -> None:
    receipts.keep(raw, GIVEN, NOW_MS)
    assert receipts.find(raw, "ops", "k1", NOW_MS) == GIVEN
    assert receipts.find(raw, "ops", "k1", NOW_MS + receipts.KEPT_MS - 1) == GIVEN
    assert receipts.find(raw, "ops", "k1", NOW_MS + receipts.KEPT_MS) is None
    assert receipts.find(raw, "alice", "k1", NOW_MS) is None
    assert receipts.find(raw, "ops", "k2", NOW_MS) is None


def test_a_key_that_is_too_old_may_be_used_again(raw: sqlite3.Connection) -> None:
    receipts.keep(raw, GIVEN, NOW_MS)
    newer = replace(GIVEN, fingerprint=b"other", status=200, location=None)
    receipts.keep(raw, newer, NOW_MS + receipts.KEPT_MS)
    assert receipts.find(raw, "ops", "k1", NOW_MS + receipts.KEPT_MS) == newer


def test_old_receipts_go_as_new_ones_come(raw: sqlite3.Connection) -> None:
    for number in range(100):
        receipts.keep(raw, replace(GIVEN, key=f"old-{number}"), NOW_MS)
    for number in range(50):
        receipts.keep(raw, replace(GIVEN, key=f"new-{number}"), NOW_MS + receipts.KEPT_MS)
    assert count(raw, "receipts") == 50


def test_no_more_receipts_are_kept_than_may_be(raw: sqlite3.Connection) -> None:
    for number in range(40):
        receipts.keep(raw, replace(GIVEN, key=f"k-{number}"), NOW_MS, most=10)
    assert count(raw, "receipts") == 10
    assert receipts.find(raw, "ops", "k-30", NOW_MS) is not None
    assert receipts.find(raw, "ops", "k-29", NOW_MS) is None


async def test_jobs_that_are_not_stored_leave_no_receipt(tmp_path: Path) -> None:
    def both(raw: sqlite3.Connection) -> None:
        receipts.keep(raw, GIVEN, NOW_MS)
        submit(raw, [a_new_job(), a_new_job()], {}, NOW_MS, {"bulk": 1})

    async with Database(tmp_path / "store.db") as store:
        with pytest.raises(QueueFull):
            await store.write(both)
        assert await store.read(lambda raw: (count(raw, "jobs"), count(raw, "receipts"))) == (0, 0)
