"""What a starting daemon does with what a dead one left behind."""

from __future__ import annotations

import sqlite3

from claudeflow.domain.job import JobState
from claudeflow.store.jobs import job
from claudeflow.store.ledger import Finish, record, spend
from claudeflow.store.recovery import CRASHES_TO_HOLD, Recovered, recover
from tests.store.builders import NOW_MS, a_job_in, answered, claimed, due_jobs, queued, running, value


def test_an_orderly_store_needs_no_recovery(raw: sqlite3.Connection) -> None:
    for state in JobState:
        if state is not JobState.RUNNING:
            a_job_in(state, raw)
    before = raw.execute("SELECT * FROM jobs").fetchall()
    assert recover(raw, NOW_MS) == Recovered(0, 0, 0)
    assert raw.execute("SELECT * FROM jobs").fetchall() == before


def test_every_running_job_is_due_again_at_once_without_having_used_up_an_attempt(
    raw: sqlite3.Connection,
) -> None:
    left = [running(raw).id for _ in range(3)]
    assert recover(raw, NOW_MS) == Recovered(requeued=3, held=0, unknown_calls=3)
    assert set(due_jobs(raw)) == set(left)
    for job_id in left:
        back = job(raw, job_id)
        assert (back.state, back.attempts, back.tries, back.crash_count) == (JobState.QUEUED, 0, 1, 1)
        assert back.wait_reason == "the daemon died"


def test_its_open_calls_are_closed_with_what_they_may_have_cost_at_most(raw: sqlite3.Connection) -> None:
    claimed(raw, queued(raw), reserved_nanousd=500)
    claimed(raw, queued(raw), reserved_nanousd=70)
    recover(raw, NOW_MS)
    books = spend(raw)
    assert (books.settled_nanousd, books.unknown_calls, books.unknown_bound_nanousd) == (0, 2, 570)
    assert value(raw, "SELECT count(*) FROM calls WHERE state = 'open'") == 0


def test_the_try_that_the_crash_ended_is_on_record(raw: sqlite3.Connection) -> None:
    leased = running(raw)
    recover(raw, NOW_MS + 3)
    assert raw.execute(
        "SELECT job_id, number, call_id, outcome, used_attempt, ended_ms FROM attempts"
    ).fetchall() == [(leased.id, 1, leased.call_id, "crashed", 0, NOW_MS + 3)]


def test_a_job_that_ran_at_three_crashes_is_held_for_a_person(raw: sqlite3.Connection) -> None:
    job_id = queued(raw)
    for crash in range(1, CRASHES_TO_HOLD + 1):
        claimed(raw, job_id)
        held = crash == CRASHES_TO_HOLD
        assert recover(raw, NOW_MS) == Recovered(requeued=not held, held=held, unknown_calls=1)
    poison = job(raw, job_id)
    assert (poison.state, poison.crash_count) == (JobState.HELD, 3)
    assert poison.wait_reason == "the daemon died 3 times while it ran"
    assert due_jobs(raw) == {}


def test_only_the_jobs_that_ran_count_a_crash(raw: sqlite3.Connection) -> None:
    bystander = queued(raw)
    for _ in range(CRASHES_TO_HOLD):
        running(raw)
        recover(raw, NOW_MS)
    assert job(raw, bystander).crash_count == 0


def test_a_recovery_that_is_repeated_changes_nothing_more(raw: sqlite3.Connection) -> None:
    running(raw)
    recover(raw, NOW_MS)
    assert recover(raw, NOW_MS) == Recovered(0, 0, 0)


def test_a_recovered_job_can_still_succeed(raw: sqlite3.Connection) -> None:
    first = running(raw)
    recover(raw, NOW_MS)
    again = claimed(raw, first.id)
    assert again.lease.token > first.lease.token
    assert record(raw, again, answered(), Finish(JobState.SUCCEEDED, "end_turn"), NOW_MS)
    assert job(raw, first.id).tries == 2
