"""Fencing: only the holder of the lease may write a job's fate; what it spent is booked all the same."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

import pytest

from claudeflow.domain.job import Job, JobState
from claudeflow.store.jobs import answer, cancel, job, renew_leases
from claudeflow.store.ledger import Finish, Requeue, record, spend
from claudeflow.store.recovery import recover
from tests.store.builders import (
    LEASE_MS,
    NOW_MS,
    OWNER,
    answered,
    claimed,
    due_jobs,
    expire,
    failed,
    queued,
    released,
    running,
    value,
)

SUCCESS = Finish(JobState.SUCCEEDED, "end_turn")
FATES: list[Finish | Requeue] = [
    SUCCESS,
    Finish(JobState.FAILED),
    Finish(JobState.CANCELLED),
    Requeue("later"),
]


def taken_over(raw: sqlite3.Connection) -> tuple[Job, Job]:
    """A job whose first owner was given up, and what its second owner holds."""
    first = running(raw)
    recover(raw, NOW_MS)
    return first, claimed(raw, first.id, owner="daemon-2")


def row(raw: sqlite3.Connection, job_id: int) -> object:
    return raw.execute("SELECT * FROM jobs WHERE id = ?", (job_id,)).fetchone()


@pytest.mark.parametrize("fate", FATES, ids=str)
def test_a_late_result_under_an_old_lease_is_dropped(raw: sqlite3.Connection, fate: Finish | Requeue) -> None:
    old, new = taken_over(raw)
    before = job(raw, old.id)
    end = answered(cost_nanousd=70) if fate is SUCCESS else failed(cost_nanousd=70)
    assert not record(raw, old, end, fate, NOW_MS)
    assert job(raw, old.id) == replace(before, cost_nanousd=70)
    assert record(raw, new, answered(b'"new"'), SUCCESS, NOW_MS)
    assert answer(raw, old.id) == b'"new"'


def test_the_call_of_a_dropped_result_is_booked_and_no_longer_unknown(raw: sqlite3.Connection) -> None:
    old, new = taken_over(raw)
    assert spend(raw).unknown_calls == 1
    record(raw, old, answered(cost_nanousd=70), SUCCESS, NOW_MS)
    record(raw, new, answered(cost_nanousd=30), SUCCESS, NOW_MS)
    books = spend(raw)
    assert (books.settled_nanousd, books.calls, books.unknown_calls) == (100, 2, 0)
    assert job(raw, old.id).cost_nanousd == 100


def test_a_late_result_that_is_large_leaves_no_blob_behind(raw: sqlite3.Connection) -> None:
    old, _ = taken_over(raw)
    record(raw, old, answered(b"x" * 1_000_000), SUCCESS, NOW_MS)
    assert value(raw, "SELECT count(*) FROM blobs") == 0


@pytest.mark.parametrize("fate", FATES, ids=str)
def test_a_result_that_comes_twice_counts_once(raw: sqlite3.Connection, fate: Finish | Requeue) -> None:
    leased = running(raw)
    end = answered() if fate is SUCCESS else failed(cost_nanousd=70)
    assert record(raw, leased, end, fate, NOW_MS)
    before = row(raw, leased.id)
    assert not record(raw, leased, end, fate, NOW_MS)
    assert row(raw, leased.id) == before
    assert spend(raw).settled_nanousd == 70
    assert value(raw, "SELECT count(*) FROM attempts") == 1


def test_a_late_retry_cannot_take_back_an_answer(raw: sqlite3.Connection) -> None:
    leased = running(raw)
    record(raw, leased, answered(), SUCCESS, NOW_MS)
    assert not released(raw, leased)
    assert job(raw, leased.id).state is JobState.SUCCEEDED


def test_neither_cancelling_nor_a_deadline_touches_a_leased_job(raw: sqlite3.Connection) -> None:
    leased = running(raw, deadline_ms=NOW_MS + 1)
    cancel(raw, leased.id, NOW_MS + 1)
    expire(raw, NOW_MS + 1, 10)
    assert record(raw, leased, answered(), SUCCESS, NOW_MS + 2)


def test_a_released_job_is_due_at_once_and_keeps_its_attempt(raw: sqlite3.Connection) -> None:
    leased = running(raw)
    assert released(raw, leased)
    back = job(raw, leased.id)
    assert (back.state, back.wait_reason) == (JobState.QUEUED, "a reason")
    assert (back.attempts, back.tries) == (0, 1)
    assert leased.id in due_jobs(raw)


def test_a_retried_job_waits_and_has_used_up_an_attempt(raw: sqlite3.Connection) -> None:
    leased = running(raw)
    assert released(raw, leased, not_before_ms=NOW_MS + 500, used_attempt=True)
    back = job(raw, leased.id)
    assert (back.attempts, back.not_before_ms, back.error) == (1, NOW_MS + 500, failed().error)
    assert due_jobs(raw) == {}


def test_an_answer_outweighs_the_errors_of_earlier_tries(raw: sqlite3.Connection) -> None:
    leased = running(raw)
    released(raw, leased)
    record(raw, claimed(raw, leased.id), answered(), SUCCESS, NOW_MS)
    ended = job(raw, leased.id)
    assert (ended.error, ended.stop_reason, ended.finished_ms) == (None, "end_turn", NOW_MS)


def test_a_cancelled_call_leaves_no_answer(raw: sqlite3.Connection) -> None:
    leased = running(raw)
    record(raw, leased, failed(), Finish(JobState.CANCELLED), NOW_MS)
    assert job(raw, leased.id).state is JobState.CANCELLED
    assert answer(raw, leased.id) is None


def test_leases_are_renewed_by_owner(raw: sqlite3.Connection) -> None:
    mine = [running(raw).id for _ in range(3)]
    theirs = claimed(raw, queued(raw), owner="another").id
    queued(raw)
    assert renew_leases(raw, OWNER, NOW_MS + 9 * LEASE_MS) == 3
    until = dict(raw.execute("SELECT id, lease_until_ms FROM jobs WHERE state = 'running'"))
    assert until == dict.fromkeys(mine, NOW_MS + 9 * LEASE_MS) | {theirs: NOW_MS + LEASE_MS}
