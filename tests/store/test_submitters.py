"""What submitters have in the queue and have spent; conftest.py sees to it that every test keeps it right."""

from __future__ import annotations

import sqlite3

import pytest

from claudeflow.domain.errors import IntakeError
from claudeflow.domain.job import JobState
from claudeflow.domain.ledger import SubmitterRow
from claudeflow.policy.access.errors import SpendCapped, TooManyJobs
from claudeflow.policy.access.grants import Caps
from claudeflow.policy.access.usage import DAY_MS, Used
from claudeflow.store.jobs import cancel, submit
from claudeflow.store.ledger import Finish, Requeue, record
from claudeflow.store.recovery import recover
from claudeflow.store.submitters import Sender, spent_by_submitter, used
from tests.store.builders import (
    NOW_MS,
    a_new_job,
    answered,
    claimed,
    failed,
    queued,
    running,
    value,
)


def used_by(raw: sqlite3.Connection, name: str = "alice", now_ms: int = NOW_MS) -> Used:
    return used(raw, name, now_ms)


def test_somebody_who_never_sent_anything_has_used_nothing(raw: sqlite3.Connection) -> None:
    assert used_by(raw, "bob") == Used(0, 0, 0, 0)


def test_jobs_in_the_queue_are_counted_by_submitter(raw: sqlite3.Connection) -> None:
    queued(raw)
    queued(raw, not_before_ms=NOW_MS + 1)
    queued(raw, submitted_by="bob")
    cancel(raw, queued(raw), NOW_MS)
    assert (used_by(raw).queued, used_by(raw, "bob").queued) == (2, 1)


def test_a_job_that_runs_is_in_the_queue_no_more_and_reserves_the_most_that_it_can_cost(
    raw: sqlite3.Connection,
) -> None:
    job = running(raw)
    assert used_by(raw) == Used(0, 0, 0, 1_000)
    record(raw, job, failed(), Requeue("later", NOW_MS + 1), NOW_MS)
    assert used_by(raw) == Used(1, 0, 0, 0)


def test_a_job_that_has_ended_costs_what_its_calls_cost_on_the_day_they_left(raw: sqlite3.Connection) -> None:
    record(raw, running(raw), answered(cost_nanousd=70), Finish(JobState.SUCCEEDED, "end_turn"), NOW_MS)
    later = running(raw)
    record(raw, later, answered(cost_nanousd=5), Finish(JobState.SUCCEEDED, "end_turn"), NOW_MS + DAY_MS)
    record(raw, running(raw), failed(cost_nanousd=None), Finish(JobState.FAILED), NOW_MS)
    assert used_by(raw) == Used(0, 75, 1_000, 0)
    assert used_by(raw, now_ms=NOW_MS + DAY_MS) == Used(0, 0, 0, 0)


def test_a_call_that_is_heard_of_after_all_costs_what_it_does(raw: sqlite3.Connection) -> None:
    job = running(raw)
    record(raw, job, failed(cost_nanousd=None), Requeue("later", 0), NOW_MS)
    assert used_by(raw) == Used(1, 0, 1_000, 0)
    record(raw, job, answered(cost_nanousd=70), Finish(JobState.SUCCEEDED, "end_turn"), NOW_MS + 5)
    assert used_by(raw) == Used(1, 70, 0, 0)


def test_a_crash_leaves_behind_the_most_that_was_spent(raw: sqlite3.Connection) -> None:
    job_id = queued(raw)
    claimed(raw, job_id)
    recover(raw, NOW_MS)
    assert used_by(raw) == Used(1, 0, 1_000, 0)


def test_a_job_without_a_submitter_is_counted_for_nobody(raw: sqlite3.Connection) -> None:
    record(raw, running(raw, submitted_by=None), answered(), Finish(JobState.SUCCEEDED, "end_turn"), NOW_MS)
    queued(raw, submitted_by=None)
    assert value(raw, "SELECT count(*) FROM submitters") == 0
    assert value(raw, "SELECT count(*) FROM submitter_days") == 0


def refused(raw: sqlite3.Connection, caps: Caps, *keys: str | None) -> type[IntakeError] | None:
    """As what jobs of alice are refused; they are taken back as a transaction would."""
    raw.execute("SAVEPOINT before")
    jobs = [a_new_job(dedupe_key=key) for key in keys]
    try:
        submit(raw, jobs, {}, NOW_MS, {}, sender=Sender("alice", caps))
    except IntakeError as refusal:
        raw.execute("ROLLBACK TO before")
        return type(refusal)
    return None


def test_new_jobs_must_fit_into_the_cap_on_the_queue(raw: sqlite3.Connection) -> None:
    caps = Caps(max_queued=3)
    queued(raw, submitted_by="bob")
    assert refused(raw, caps, None, "k") is None
    assert refused(raw, caps, None, None) is TooManyJobs
    assert refused(raw, caps, None) is None
    assert refused(raw, caps, None) is TooManyJobs
    assert refused(raw, caps, "k") is None  # it is there already
    assert used_by(raw).queued == 3


def test_nothing_new_is_taken_once_the_day_has_cost_its_cap(raw: sqlite3.Connection) -> None:
    queued(raw, dedupe_key="k")
    record(raw, running(raw), answered(cost_nanousd=70), Finish(JobState.SUCCEEDED, "end_turn"), NOW_MS)
    assert refused(raw, Caps(nanousd_per_day=71), None) is None
    assert refused(raw, Caps(nanousd_per_day=70), None) is SpendCapped
    assert refused(raw, Caps(nanousd_per_day=70), "k") is None


@pytest.mark.parametrize("caps", [Caps(), Caps(jobs_per_min=1)])
def test_without_these_caps_everything_is_taken(raw: sqlite3.Connection, caps: Caps) -> None:
    assert refused(raw, caps, *[None] * 50) is None


def test_what_each_submitter_spent_in_a_window_of_days(raw: sqlite3.Connection) -> None:
    today_ms = NOW_MS - NOW_MS % DAY_MS
    record(raw, running(raw), answered(cost_nanousd=70), Finish(JobState.SUCCEEDED, "end_turn"), NOW_MS)
    running(raw, submitted_by="bob")
    record(raw, running(raw, submitted_by="carol"), failed(), Finish(JobState.FAILED), NOW_MS)
    rows = [SubmitterRow("alice", 70, 0, 0), SubmitterRow("bob", 0, 0, 1_000)]
    assert spent_by_submitter(raw, today_ms, None) == rows
    assert spent_by_submitter(raw, today_ms, today_ms + DAY_MS) == rows
    assert spent_by_submitter(raw, today_ms + DAY_MS, None) == []
    assert spent_by_submitter(raw, 0, today_ms) == []
