"""Jobs in the store: asked for, claimed, cancelled, expired, woken, revived."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from typing import Any

import pytest

from claudeflow.domain.errors import Conflict, JobNotFound, QueueFull
from claudeflow.domain.job import JobError, JobId, JobState, Lease, PromptRef
from claudeflow.policy.lanes.flow import FlowKey
from claudeflow.store.claims import Claim, claim
from claudeflow.store.jobs import (
    answer,
    cancel,
    due_flows,
    flow_head,
    job,
    list_jobs,
    prompt_version,
    revive,
    submit,
    wake_due,
)
from claudeflow.store.ledger import Finish, record
from claudeflow.store.rows import INLINE_BYTES
from tests.store.builders import (
    ERROR,
    KEY,
    LEASE_MS,
    NOW_MS,
    OWNER,
    a_job_in,
    a_new_job,
    answered,
    claimed,
    due_jobs,
    expire,
    failed,
    queued,
    released,
    running,
    submitted,
    value,
)

NOBODY = JobId(4_711)


# Submit


def test_a_submitted_job_is_queued_as_it_was_asked_for(raw: sqlite3.Connection) -> None:
    accepted = submitted(
        raw,
        priority=3,
        deadline_ms=NOW_MS + 5,
        dedupe_key="k",
        metadata={"ticket": "7"},
        submitted_by="uid 1000",
        prefix="p",
    )
    record_of = job(raw, accepted.id)
    assert record_of.state is JobState.QUEUED
    assert (record_of.lane, record_of.workflow, record_of.model, record_of.priority) == (
        KEY.lane,
        KEY.workflow,
        KEY.model,
        3,
    )
    assert (record_of.submitted_ms, record_of.deadline_ms, record_of.dedupe_key) == (NOW_MS, NOW_MS + 5, "k")
    assert (record_of.metadata, record_of.submitted_by) == ({"ticket": "7"}, "uid 1000")
    assert (record_of.attempts, record_of.tries, record_of.crash_count, record_of.cost_nanousd) == (
        0,
        0,
        0,
        0,
    )
    assert (record_of.wait_reason, record_of.error, record_of.prompt) == (None, None, None)


def test_the_candidate_that_submitting_returns_is_the_one_that_the_store_would_name(
    raw: sqlite3.Connection,
) -> None:
    accepted = submitted(raw, priority=3, deadline_ms=NOW_MS + 5, prefix="p")
    assert accepted.created
    assert [accepted.candidate] == flow_head(raw, KEY, 10)


def test_a_job_that_is_not_due_yet_waits_with_a_reason(raw: sqlite3.Connection) -> None:
    accepted = submitted(raw, not_before_ms=NOW_MS + 1)
    assert accepted.candidate is None
    assert flow_head(raw, KEY, 10) == []
    assert job(raw, accepted.id).wait_reason == "not before its time"


def test_the_same_dedupe_key_answers_with_the_job_that_is_there(raw: sqlite3.Connection) -> None:
    first, second = submitted(raw, dedupe_key="k"), submitted(raw, dedupe_key="k", priority=9)
    assert (second.id, second.created, second.candidate) == (first.id, False, None)
    assert value(raw, "SELECT count(*) FROM jobs") == 1


def test_the_same_dedupe_key_twice_in_one_submission_is_one_job(raw: sqlite3.Connection) -> None:
    first, second = submit(raw, [a_new_job(dedupe_key="k")] * 2, {}, NOW_MS, {})
    assert (first.id, second.created) == (second.id, False)


def test_workflows_have_dedupe_keys_of_their_own(raw: sqlite3.Connection) -> None:
    assert submitted(raw, dedupe_key="k").id != submitted(raw, dedupe_key="k", workflow="other").id


@pytest.mark.parametrize(
    "other",
    [
        {"submitted_by": "mallory"},
        {"submitted_by": None},
        {"submitted_by": "maria", "mailbox": "4f1c"},
        {"submitted_by": None, "mailbox": "maria"},
    ],
)
def test_nobody_meets_a_job_of_another_door_or_submitter_by_its_dedupe_key(
    raw: sqlite3.Connection, other: dict[str, Any]
) -> None:
    squatted = submitted(raw, dedupe_key="k", **other)
    first = submitted(raw, dedupe_key="k", submitted_by="maria")
    assert first.created
    assert submitted(raw, dedupe_key="k", submitted_by="maria").id == first.id != squatted.id
    assert submitted(raw, dedupe_key="k", **other).id == squatted.id


def test_each_mailbox_has_dedupe_keys_of_its_own(raw: sqlite3.Connection) -> None:
    first, second = (submitted(raw, dedupe_key="k", submitted_by="maria", mailbox=uuid) for uuid in "ab")
    assert (first.created, second.created) == (True, True)


def test_jobs_without_a_dedupe_key_are_never_the_same(raw: sqlite3.Connection) -> None:
    assert queued(raw) != queued(raw)


def test_a_dedupe_key_holds_after_the_job_has_ended(raw: sqlite3.Connection) -> None:
    first = running(raw, dedupe_key="k")
    record(raw, first, answered(), Finish(JobState.SUCCEEDED, "end_turn"), NOW_MS)
    assert submitted(raw, dedupe_key="k").id == first.id


def test_a_full_lane_takes_no_more(raw: sqlite3.Connection) -> None:
    submit(raw, [a_new_job()] * 3, {}, NOW_MS, {"bulk": 3})
    with pytest.raises(QueueFull, match="lane bulk"):
        submit(raw, [a_new_job()], {}, NOW_MS, {"bulk": 3})


def test_running_jobs_do_not_fill_a_lane_and_no_bound_is_no_bound(raw: sqlite3.Connection) -> None:
    running(raw)
    submit(raw, [a_new_job()] * 2, {}, NOW_MS, {"bulk": 2})
    submit(raw, [a_new_job()] * 2, {}, NOW_MS, {"bulk": 0})


def test_the_template_of_a_job_is_kept_once_per_version(raw: sqlite3.Connection) -> None:
    templates = {"v1": b'{"name":"triage","system":"s"}'}
    jobs = [a_new_job(prompt=PromptRef("triage", "v1"))]
    for _ in range(2):
        submit(raw, jobs, templates, NOW_MS, {})
    assert value(raw, "SELECT count(*) FROM prompt_versions") == 1
    assert prompt_version(raw, "v1") == templates["v1"]
    assert prompt_version(raw, "v2") is None
    assert job(raw, JobId(1)).prompt == PromptRef("triage", "v1")


def test_a_job_cannot_name_a_template_that_the_store_does_not_hold(raw: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        submitted(raw, prompt=PromptRef("triage", "nowhere"))


# Bodies and answers


@pytest.mark.parametrize(("size", "blobs"), [(INLINE_BYTES, 0), (INLINE_BYTES + 1, 1), (3_000_000, 1)])
def test_a_large_body_lives_apart_from_its_jobs_row(raw: sqlite3.Connection, size: int, blobs: int) -> None:
    body = b"x" * size
    assert running(raw, body=body).body == body
    assert value(raw, "SELECT count(*) FROM blobs WHERE part = 'body'") == blobs
    assert value(raw, "SELECT count(body) FROM jobs") == 1 - blobs


@pytest.mark.parametrize(("size", "blobs"), [(INLINE_BYTES, 0), (INLINE_BYTES + 1, 1), (3_000_000, 1)])
def test_a_large_answer_lives_apart_from_its_jobs_row(raw: sqlite3.Connection, size: int, blobs: int) -> None:
    text, leased = b"y" * size, running(raw)
    record(raw, leased, answered(text), Finish(JobState.SUCCEEDED, "end_turn"), NOW_MS)
    assert answer(raw, leased.id) == text
    assert value(raw, "SELECT count(*) FROM blobs WHERE part = 'answer'") == blobs


@pytest.mark.parametrize("state", [state for state in JobState if state is not JobState.SUCCEEDED])
def test_only_a_job_that_succeeded_has_an_answer(raw: sqlite3.Connection, state: JobState) -> None:
    assert answer(raw, a_job_in(state, raw)) is None


def test_nobodys_job_has_no_answer_and_no_record(raw: sqlite3.Connection) -> None:
    for ask in (answer, job):
        with pytest.raises(JobNotFound, match="4711"):
            ask(raw, NOBODY)


# Claim


def test_a_claimed_job_runs_under_a_lease_and_its_call_is_open(raw: sqlite3.Connection) -> None:
    accepted = submitted(raw, prefix="p", deadline_ms=NOW_MS + 9, traceparent="00-1-2-01")
    leased = claimed(raw, accepted.id, reserved_nanousd=55)
    assert leased.lease == Lease(leased.call_id, OWNER)
    assert (leased.tries, leased.attempts, leased.first_attempt_ms) == (1, 0, NOW_MS)
    assert (leased.prefix, leased.deadline_ms, leased.traceparent) == ("p", NOW_MS + 9, "00-1-2-01")
    assert (leased.submitted_ms, leased.pool, leased.max_tokens) == (NOW_MS, "haiku-5.5", 100)
    assert job(raw, leased.id).state is JobState.RUNNING
    assert raw.execute("SELECT state, owner, reserved_nanousd FROM calls").fetchall() == [("open", OWNER, 55)]
    assert value(raw, "SELECT lease_until_ms FROM jobs") == NOW_MS + LEASE_MS


def test_each_lease_has_a_greater_number_than_all_before_it(raw: sqlite3.Connection) -> None:
    job_id, tokens = queued(raw), []
    for _ in range(3):
        leased = claimed(raw, job_id)
        tokens.append(leased.lease.token)
        released(raw, leased)
    assert tokens == sorted(set(tokens))


def test_a_job_that_is_not_to_be_had_any_more_leaves_no_call_behind(raw: sqlite3.Connection) -> None:
    gone, there, waiting = submitted(raw), submitted(raw), submitted(raw, not_before_ms=NOW_MS + 1)
    cancel(raw, gone.id, NOW_MS)
    assert gone.candidate is not None
    assert there.candidate is not None
    not_due = replace(there.candidate, id=waiting.id)
    wishes = [Claim(candidate, "pool", 1) for candidate in (gone.candidate, there.candidate, not_due)]
    first, second, third = claim(raw, wishes, OWNER, NOW_MS + LEASE_MS, NOW_MS)
    assert (first, third) == ([], [])
    assert [job.id for job in second] == [there.id]
    assert value(raw, "SELECT count(*) FROM calls") == 1


def test_a_job_whose_deadline_has_passed_is_not_begun_any_more(raw: sqlite3.Connection) -> None:
    accepted = submitted(raw, deadline_ms=NOW_MS + 1)
    assert accepted.candidate is not None
    wish = Claim(accepted.candidate, "pool", 1)
    assert claim(raw, [wish], OWNER, NOW_MS + LEASE_MS, NOW_MS + 1) == [[]]
    assert claim(raw, [wish], OWNER, NOW_MS + LEASE_MS, NOW_MS) != [[]]


def test_a_job_is_claimed_once_however_often_it_is_wished_for(raw: sqlite3.Connection) -> None:
    accepted = submitted(raw)
    assert accepted.candidate is not None
    wish = Claim(accepted.candidate, "pool", 1)
    first, second = claim(raw, [wish, wish], OWNER, NOW_MS + LEASE_MS, NOW_MS)
    assert [job.id for job in first] == [accepted.id]
    assert second == []


@pytest.mark.parametrize(("used_attempt", "begun_ms"), [(True, NOW_MS), (False, NOW_MS + 60_000)])
def test_the_retry_window_begins_with_the_first_try_that_used_up_an_attempt(
    raw: sqlite3.Connection, used_attempt: bool, begun_ms: int
) -> None:
    leased = running(raw)
    released(raw, leased, used_attempt=used_attempt)
    [[again]] = claim(raw, [Claim(due_jobs(raw)[leased.id], "p", 1)], OWNER, NOW_MS, NOW_MS + 60_000)
    assert (again.first_attempt_ms, again.tries) == (begun_ms, 2)


def test_a_job_whose_deadline_has_passed_is_not_claimed_any_more(raw: sqlite3.Connection) -> None:
    late = submitted(raw, deadline_ms=NOW_MS)
    assert late.candidate is not None
    assert claim(raw, [Claim(late.candidate, "p", 1)], OWNER, NOW_MS + LEASE_MS, NOW_MS) == [[]]
    assert value(raw, "SELECT count(*) FROM calls") == 0


@pytest.mark.parametrize("elsewhere", [{"lane": "interactive"}, {"model": "claude-opus-5-5"}])
def test_a_job_that_was_moved_meanwhile_is_not_claimed_as_what_it_was(
    raw: sqlite3.Connection, elsewhere: dict[str, str]
) -> None:
    accepted = submitted(raw)
    assert accepted.candidate is not None
    was = replace(accepted.candidate, **elsewhere)  # type: ignore[arg-type]
    assert claim(raw, [Claim(was, "p", 1)], OWNER, NOW_MS + LEASE_MS, NOW_MS) == [[]]
    assert value(raw, "SELECT count(*) FROM calls") == 0
    assert claim(raw, [Claim(accepted.candidate, "p", 1)], OWNER, NOW_MS + LEASE_MS, NOW_MS) != [[]]


# The order of a flow


def test_a_flows_first_jobs_are_those_of_highest_priority_then_the_oldest(raw: sqlite3.Connection) -> None:
    made = [queued(raw, priority=priority) for priority in (0, 5, -1, 5, 0)]
    heads = [candidate.id for candidate in flow_head(raw, KEY, 10)]
    assert heads == [made[1], made[3], made[0], made[4], made[2]]
    assert [candidate.id for candidate in flow_head(raw, KEY, 2)] == heads[:2]


def test_a_flow_holds_one_workflow_and_model_of_one_lane(raw: sqlite3.Connection) -> None:
    queued(raw)
    queued(raw)
    queued(raw, workflow="w")
    queued(raw, model="m")
    queued(raw, lane="l", not_before_ms=NOW_MS + 1)
    keys = {KEY, FlowKey("bulk", "w", KEY.model), FlowKey("bulk", "triage", "m")}
    assert set(due_flows(raw)) == keys
    assert len(due_flows(raw)) == 3
    assert [len(flow_head(raw, key, 10)) for key in (KEY, FlowKey("bulk", "w", KEY.model))] == [2, 1]


# Waking and expiring


def test_a_waiting_job_wakes_when_its_time_has_come(raw: sqlite3.Connection) -> None:
    early, late = queued(raw, not_before_ms=NOW_MS + 10), queued(raw, not_before_ms=NOW_MS + 20)
    assert wake_due(raw, NOW_MS + 9, 10) == ([], NOW_MS + 10)
    woken, next_ms = wake_due(raw, NOW_MS + 10, 10)
    assert ([candidate.id for candidate in woken], next_ms) == ([early], NOW_MS + 20)
    assert [candidate.id for candidate in wake_due(raw, NOW_MS + 99, 10)[0]] == [late]
    assert wake_due(raw, NOW_MS + 99, 10) == ([], None)
    assert set(due_jobs(raw)) == {early, late}


def test_no_more_jobs_wake_at_once_than_the_limit_the_earliest_first(raw: sqlite3.Connection) -> None:
    made = [queued(raw, not_before_ms=NOW_MS + 10 - number) for number in range(3)]
    woken, next_ms = wake_due(raw, NOW_MS + 10, 2)
    assert {candidate.id for candidate in woken} == {made[1], made[2]}
    assert next_ms == NOW_MS + 10


def test_a_job_expires_when_its_deadline_has_passed_whether_due_or_waiting(raw: sqlite3.Connection) -> None:
    due = queued(raw, deadline_ms=NOW_MS + 5)
    waiting = queued(raw, deadline_ms=NOW_MS + 5, not_before_ms=NOW_MS + 50)
    later = queued(raw, deadline_ms=NOW_MS + 6)
    expired = expire(raw, NOW_MS + 5, 10)
    assert {(candidate.id, was_due) for candidate, was_due in expired} == {(due, True), (waiting, False)}
    ended = job(raw, due)
    assert (ended.state, ended.finished_ms, ended.cost_nanousd) == (JobState.EXPIRED, NOW_MS + 5, 0)
    assert ended.error is not None
    assert ended.error.type == "deadline_passed"
    assert job(raw, later).state is JobState.QUEUED


def test_a_running_job_does_not_expire(raw: sqlite3.Connection) -> None:
    running(raw, deadline_ms=NOW_MS + 1)
    assert expire(raw, NOW_MS + 1, 10) == []


def test_no_more_jobs_expire_at_once_than_the_limit(raw: sqlite3.Connection) -> None:
    for _ in range(3):
        queued(raw, deadline_ms=NOW_MS)
    assert len(expire(raw, NOW_MS, 2)) == 2
    assert len(expire(raw, NOW_MS, 2)) == 1


# Cancel and retry


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.HELD])
def test_a_job_that_does_not_run_is_cancelled_at_once(raw: sqlite3.Connection, state: JobState) -> None:
    job_id = a_job_in(state, raw)
    ended, candidate = cancel(raw, job_id, NOW_MS + 7)
    assert (ended.state, ended.finished_ms) == (JobState.CANCELLED, NOW_MS + 7)
    assert ended.error == JobError("cancelled", "cancelled on request")
    assert candidate is not None
    assert candidate.id == job_id


def test_a_running_job_is_left_to_its_worker(raw: sqlite3.Connection) -> None:
    record_of, candidate = cancel(raw, a_job_in(JobState.RUNNING, raw), NOW_MS)
    assert (record_of.state, candidate) == (JobState.RUNNING, None)


def test_cancelling_twice_is_no_mistake(raw: sqlite3.Connection) -> None:
    job_id = a_job_in(JobState.CANCELLED, raw)
    assert cancel(raw, job_id, NOW_MS + 7)[0].finished_ms == NOW_MS


@pytest.mark.parametrize("state", [JobState.SUCCEEDED, JobState.FAILED, JobState.EXPIRED])
def test_a_job_that_has_ended_cannot_be_cancelled(raw: sqlite3.Connection, state: JobState) -> None:
    with pytest.raises(Conflict, match=state):
        cancel(raw, a_job_in(state, raw), NOW_MS)


@pytest.mark.parametrize("state", [JobState.FAILED, JobState.CANCELLED, JobState.EXPIRED, JobState.HELD])
def test_a_job_that_ended_without_an_answer_can_be_asked_for_again(
    raw: sqlite3.Connection, state: JobState
) -> None:
    job_id = a_job_in(state, raw)
    revived, candidate = revive(raw, job_id)
    assert (revived.state, revived.error, revived.finished_ms) == (JobState.QUEUED, None, None)
    assert (revived.attempts, revived.crash_count, revived.deadline_ms) == (0, 0, None)
    assert due_jobs(raw) == {job_id: candidate}


def test_a_job_that_is_asked_for_again_keeps_what_it_has_cost_and_counts_its_tries_on(
    raw: sqlite3.Connection,
) -> None:
    leased = running(raw)
    record(raw, leased, failed(cost_nanousd=9), Finish(JobState.FAILED), NOW_MS)
    revive(raw, leased.id)
    again = claimed(raw, leased.id)
    assert (again.tries, again.attempts) == (2, 0)
    record(raw, again, answered(cost_nanousd=70), Finish(JobState.SUCCEEDED, "end_turn"), NOW_MS)
    assert job(raw, leased.id).cost_nanousd == 79


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.RUNNING, JobState.SUCCEEDED])
def test_no_other_job_can_be_asked_for_again(raw: sqlite3.Connection, state: JobState) -> None:
    with pytest.raises(Conflict, match=state):
        revive(raw, a_job_in(state, raw))


def test_nobodys_job_can_be_neither_cancelled_nor_retried(raw: sqlite3.Connection) -> None:
    with pytest.raises(JobNotFound):
        cancel(raw, NOBODY, NOW_MS)
    with pytest.raises(JobNotFound):
        revive(raw, NOBODY)


# Records and lists


def test_a_failed_job_keeps_its_whole_error(raw: sqlite3.Connection) -> None:
    assert job(raw, a_job_in(JobState.FAILED, raw)).error == ERROR


def ids(
    raw: sqlite3.Connection,
    *,
    state: JobState | None = None,
    lane: str | None = None,
    workflow: str | None = None,
    before_id: int | None = None,
    limit: int = 100,
) -> list[int]:
    found = list_jobs(raw, state=state, lane=lane, workflow=workflow, before_id=before_id, limit=limit)
    return [record_of.id for record_of in found]


def test_jobs_are_listed_the_newest_first_and_page_by_page(raw: sqlite3.Connection) -> None:
    made = [queued(raw) for _ in range(5)]
    assert ids(raw) == made[::-1]
    assert ids(raw, limit=2) == [made[4], made[3]]
    assert ids(raw, limit=2, before_id=made[3]) == [made[2], made[1]]


def test_lists_are_filtered_by_state_lane_and_workflow(raw: sqlite3.Connection) -> None:
    ended = a_job_in(JobState.SUCCEEDED, raw)
    in_lane, by_workflow = queued(raw, lane="l"), queued(raw, workflow="w")
    assert ids(raw, state=JobState.SUCCEEDED) == [ended]
    assert ids(raw, lane="l") == [in_lane]
    assert ids(raw, workflow="w") == [by_workflow]
    assert ids(raw, lane="l", workflow="w") == []
