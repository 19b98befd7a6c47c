"""Holds, who set and released them, and jobs under a hold of their own outlive the process."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

import pytest

from claudeflow.domain.hold import EVERYTHING, Hold, HoldAction, HoldCause, HoldChange, Scope, ScopeKind
from claudeflow.domain.job import JobId, JobState
from claudeflow.policy.lanes.flow import FlowKey
from claudeflow.store import claims
from claudeflow.store import jobs as store_jobs
from claudeflow.store.holds import due_by_flow, held_jobs_at_rest, history, hold, holds, keep, release
from claudeflow.store.ledger import Requeue, record
from claudeflow.store.recovery import recover
from tests.store.builders import KEY, NOW_MS, due_jobs, expire, failed, queued, running, submitted

ON_MODEL = Scope(ScopeKind.MODEL, "vendor:model-x")
FIRST = Hold(EVERYTHING, HoldCause.CREDIT, "no credit", since_ms=5, probe_at_ms=10, probed_ms=(3, 4))
SECOND = Hold(ON_MODEL, HoldCause.PERMISSION, "no access", since_ms=7)
BY_HAND = Hold(EVERYTHING, HoldCause.MANUAL, "maintenance", since_ms=9, until_ms=99, set_by="anna")


def on_job(job_id: JobId) -> Hold:
    """A hold that a person set on one job."""
    return replace(BY_HAND, scope=Scope(ScopeKind.JOB, str(job_id)))


def a_change(action: HoldAction = HoldAction.SET, at_ms: int = NOW_MS, of: Hold = BY_HAND) -> HoldChange:
    return HoldChange(at_ms, action, of.scope, of.cause, "because", "anna", of.until_ms)


def held(raw: sqlite3.Connection, job_id: JobId) -> Hold:
    """A job under a hold of its own."""
    wanted = on_job(job_id)
    hold(raw, wanted, a_change(of=wanted))
    return wanted


def freed(raw: sqlite3.Connection, job_id: JobId, now_ms: int = NOW_MS) -> list[tuple[JobId, int | None]]:
    """Release a job's own hold: the jobs that are shown again, and when they are due."""
    wanted = on_job(job_id)
    found = release(raw, [wanted], [a_change(HoldAction.RELEASED, of=wanted)], now_ms)
    return [(one.candidate.id, one.due_ms) for one in found]


def test_holds_come_back_as_they_were_the_oldest_first(raw: sqlite3.Connection) -> None:
    keep(raw, put=[BY_HAND, SECOND, FIRST])
    assert holds(raw) == [FIRST, SECOND, BY_HAND]


def test_a_hold_that_is_kept_again_is_as_it_is_now(raw: sqlite3.Connection) -> None:
    keep(raw, put=[FIRST])
    again = replace(FIRST, cause=HoldCause.BILLING, reason="unpaid", since_ms=99, probe_at_ms=50)
    keep(raw, put=[again])
    assert holds(raw) == [again]


def test_of_two_holds_on_one_scope_each_is_dropped_alone(raw: sqlite3.Connection) -> None:
    keep(raw, put=[FIRST, BY_HAND])
    for _ in range(2):
        keep(raw, drop=[BY_HAND])
    assert holds(raw) == [FIRST]
    keep(raw, drop=[replace(FIRST, cause=HoldCause.BILLING)])
    assert holds(raw) == []


def test_a_hold_that_no_person_set_cannot_have_an_end(raw: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        keep(raw, put=[replace(FIRST, until_ms=5)])


def test_who_did_what_is_told_the_newest_first(raw: sqlite3.Connection) -> None:
    told = [a_change(at_ms=1), a_change(HoldAction.CHANGED, at_ms=2), a_change(HoldAction.RELEASED, at_ms=3)]
    keep(raw, changes=told)
    assert history(raw, 10) == told[::-1]
    assert history(raw, 1) == told[2:]


def test_a_held_job_is_shown_to_nobody_until_it_is_released(raw: sqlite3.Connection) -> None:
    job_id, other = queued(raw), queued(raw)
    wanted = on_job(job_id)
    candidate = hold(raw, wanted, a_change(of=wanted))
    assert candidate is not None
    assert candidate.id == job_id
    assert list(due_jobs(raw)) == [other]
    assert store_jobs.job(raw, job_id).state is JobState.QUEUED
    assert freed(raw, job_id) == [(job_id, None)]
    assert list(due_jobs(raw)) == [job_id, other]
    assert freed(raw, job_id) == []


def test_a_hold_on_anything_but_a_job_hides_none(raw: sqlite3.Connection) -> None:
    job_id = queued(raw)
    assert hold(raw, BY_HAND, a_change()) is None
    assert release(raw, [BY_HAND], [], NOW_MS) == []
    assert list(due_jobs(raw)) == [job_id]


def test_a_held_job_is_not_woken_at_its_time_and_waits_for_it_after_its_release(
    raw: sqlite3.Connection,
) -> None:
    later = NOW_MS + 1_000
    job_id = submitted(raw, not_before_ms=later).id
    held(raw, job_id)
    assert store_jobs.wake_due(raw, later, 10) == ([], None)
    assert freed(raw, job_id, NOW_MS) == [(job_id, later)]
    woken, _ = store_jobs.wake_due(raw, later, 10)
    assert [candidate.id for candidate in woken] == [job_id]


def test_a_running_job_that_is_held_stays_out_of_sight_when_it_comes_back(raw: sqlite3.Connection) -> None:
    job = running(raw)
    wanted = on_job(job.id)
    assert hold(raw, wanted, a_change(of=wanted)) is None
    record(raw, job, failed(), Requeue("throttled"), NOW_MS)
    assert due_jobs(raw) == {}
    assert freed(raw, job.id) == [(job.id, None)]


def test_a_held_job_stays_out_of_sight_over_a_crash_and_a_retry(raw: sqlite3.Connection) -> None:
    job = running(raw)
    held(raw, job.id)
    recover(raw, NOW_MS)
    assert due_jobs(raw) == {}
    store_jobs.cancel(raw, job.id, NOW_MS)
    assert freed(raw, job.id) == []
    store_jobs.revive(raw, job.id)
    assert list(due_jobs(raw)) == [job.id]


def test_a_held_job_can_expire_and_was_not_due(raw: sqlite3.Connection) -> None:
    job_id = submitted(raw, deadline_ms=NOW_MS + 5).id
    held(raw, job_id)
    [(candidate, was_due)] = expire(raw, NOW_MS + 5, 10)
    assert (candidate.id, was_due) == (job_id, False)


def test_holds_on_jobs_that_have_ended_or_never_were_are_found(raw: sqlite3.Connection) -> None:
    waits, ended, runs = queued(raw), queued(raw), running(raw)
    for job_id in (waits, ended, runs.id, JobId(999)):
        held(raw, job_id)
    keep(raw, put=[BY_HAND, SECOND])
    store_jobs.cancel(raw, ended, NOW_MS)
    assert {scope.name for scope in held_jobs_at_rest(raw)} == {str(ended), "999"}


def test_what_is_due_is_counted_by_flow(raw: sqlite3.Connection) -> None:
    for _ in range(3):
        queued(raw)
    queued(raw, lane="interactive")
    held(raw, queued(raw))
    submitted(raw, not_before_ms=NOW_MS + 5)
    assert due_by_flow(raw) == {KEY: 3, FlowKey("interactive", KEY.workflow, KEY.model): 1}


def test_the_time_spent_on_trying_adds_up_and_a_retry_by_a_person_begins_anew(
    raw: sqlite3.Connection,
) -> None:
    job = running(raw)
    assert job.trying_ms == 0
    record(raw, job, failed(), Requeue("retry", NOW_MS, trying_ms=1_500), NOW_MS)
    raw.execute("UPDATE jobs SET due = 1")
    [candidate] = due_jobs(raw).values()
    wish = claims.Claim(candidate, "haiku-5.5", 1)
    [[again]] = claims.claim(raw, [wish], "daemon-1", NOW_MS + 9, NOW_MS)
    assert again.trying_ms == 1_500
    record(raw, again, failed(), Requeue("retry", NOW_MS, trying_ms=500), NOW_MS)
    assert raw.execute("SELECT trying_ms FROM jobs").fetchone() == (2_000,)
    store_jobs.cancel(raw, job.id, NOW_MS)
    store_jobs.revive(raw, job.id)
    assert raw.execute("SELECT trying_ms FROM jobs").fetchone() == (0,)
