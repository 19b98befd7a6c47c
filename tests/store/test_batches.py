"""Batches in the store: jobs that go into them and come out again, and the calls that carry them."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

import pytest

from claudeflow.domain.batch import BatchCounts, BatchState, ProcessingStatus, RemoteBatch
from claudeflow.domain.errors import BatchNotFound
from claudeflow.domain.job import JobId, JobState
from claudeflow.domain.usage import Terms
from claudeflow.store import batch_ends, batch_items, batch_routes, batches
from claudeflow.store.claims import Claim
from claudeflow.store.jobs import job
from claudeflow.store.recovery import recover
from tests.store.builders import NOW_MS, queued

REMOTE = RemoteBatch(
    "msgbatch_1", ProcessingStatus.IN_PROGRESS, BatchCounts(processing=2), NOW_MS + 5, NOW_MS + 86_400_000
)


def filled(raw: sqlite3.Connection, count: int = 3) -> tuple[int, list[JobId], list[int]]:
    """A batch that is being filled: its number, its jobs, and the calls that carry them."""
    ids = [queued(raw, batched=True) for _ in range(count)]
    number = batches.begin(raw, f"cf{ids[0]}", NOW_MS)
    [group] = batch_items.groups(raw)
    claims = [Claim(one, "haiku-5.5", 1_000) for one in batch_items.head(raw, group, 100)]
    calls = batch_items.fill(raw, number, claims, NOW_MS)
    return number, ids, [call for call in calls if call is not None]


def states(raw: sqlite3.Connection, ids: list[JobId]) -> list[JobState]:
    return [job(raw, job_id).state for job_id in ids]


def calls_left(raw: sqlite3.Connection) -> list[tuple[str, int | None]]:
    return raw.execute("SELECT state, cost_nanousd FROM calls ORDER BY id").fetchall()


def test_a_batch_that_was_being_filled_is_undone_with_what_was_cancelled_in_it(
    raw: sqlite3.Connection,
) -> None:
    number, ids, _ = filled(raw)
    cancelled = batch_ends.cancel_job(raw, ids[1], NOW_MS)
    assert (cancelled.batch_id, cancelled.record.state) == (number, JobState.CANCELLED)
    assert recover(raw, NOW_MS).requeued == 2
    assert states(raw, ids) == [JobState.QUEUED, JobState.CANCELLED, JobState.QUEUED]
    assert calls_left(raw) == [("settled", 0)]
    assert batches.batch(raw, number).state is BatchState.LOST
    assert batches.open_batches(raw) == []
    [group] = batch_items.groups(raw)
    assert group.requests == 2


def test_a_batch_that_left_outlives_every_restart(raw: sqlite3.Connection) -> None:
    number, ids, _ = filled(raw)
    batches.ready(raw, number)
    batches.leaving(raw, number, 500, NOW_MS)
    assert recover(raw, NOW_MS).requeued == 0
    assert set(states(raw, ids)) == {JobState.RUNNING}
    [spend] = batches.open_spend(raw)
    assert (spend.requests, spend.reserved_nanousd) == (3, 3_000)
    assert batches.told(raw, number, REMOTE).created_ms == NOW_MS + 5


def test_what_leaves_is_counted_without_what_left_before(raw: sqlite3.Connection) -> None:
    number, ids, calls = filled(raw)
    batches.ready(raw, number)
    batch_ends.cancel_job(raw, ids[0], NOW_MS)
    assert batches.batch(raw, number).left == 1
    batch_ends.drop_unsent(raw, number, calls[:1], NOW_MS)
    batches.leaving(raw, number, 500, NOW_MS)
    record = batches.batch(raw, number)
    assert (record.requests, record.booked, record.left) == (2, 0, 0)
    assert [call for call, _ in batch_items.candidates(raw, number, limit=10)] == calls[1:]


def test_a_job_that_is_held_for_itself_does_not_come_back_as_due(raw: sqlite3.Connection) -> None:
    number, ids, calls = filled(raw)
    columns = "scope, by_hand, cause, reason, since_ms"
    raw.execute(f"INSERT INTO holds ({columns}) VALUES ('job:{ids[0]}', 1, 'manual', 'look', 0)")
    back = batch_ends.take_back(raw, number, calls, NOW_MS, batched=False, returned=True)
    assert [one.id for one in back] == ids[1:]
    assert all(not one.batched for one in back)


def test_jobs_that_were_pulled_back_are_charged_when_the_batch_answers(raw: sqlite3.Connection) -> None:
    number, ids, calls = filled(raw)
    batches.ready(raw, number)
    batches.leaving(raw, number, 500, NOW_MS)
    pulled = batch_ends.pull_back(raw, number, calls[:2], "late", NOW_MS)
    assert [one.id for one in pulled] == ids[:2]
    assert batch_ends.pull_back(raw, number, calls[:2], "late", NOW_MS) == []
    assert batches.batch(raw, number).left == 2
    found = batch_items.unbooked(raw, number, calls)
    assert [found[call].waits for call in calls] == [False, False, True]


def test_only_our_own_custom_ids_name_calls(raw: sqlite3.Connection) -> None:
    number, _, calls = filled(raw)
    record = batches.batch(raw, number)
    assert record.call_of(record.custom_id(calls[0])) == calls[0]
    for other in (
        f"{record.name}-0{calls[0]}",
        f"{record.name}-{'9' * 40}",
        f"{record.name}x-{calls[0]}",
        f"{record.name}-",
        f"{record.name}-²",
        "",
    ):
        assert record.call_of(other) is None


def test_jobs_that_wait_can_be_sent_another_way(raw: sqlite3.Connection) -> None:
    soon = queued(raw, batched=True, deadline_ms=NOW_MS + 1_000)
    later = queued(raw, batched=True, deadline_ms=NOW_MS + 9_000)
    free = queued(raw, batched=True)
    assert batch_routes.first_deadline_ms(raw) == NOW_MS + 1_000
    assert batch_routes.late(raw, NOW_MS + 5_000, 10) == [soon]
    [moved] = batch_routes.to_messages(raw, [soon, soon], "too late")
    assert (moved.id, moved.batched, job(raw, soon).wait_reason) == (soon, False, "too late")
    assert batch_routes.lanes(raw) == ["bulk"]
    routed = batch_routes.route_lane(raw, "bulk", batched=False, limit=10, most_bytes=200)
    assert sorted((one.id, due) for one, due in routed) == [(later, True), (free, True)]
    assert batch_routes.lanes(raw) == []
    back = batch_routes.route_lane(raw, "bulk", batched=True, limit=10, most_bytes=200)
    assert [one.id for one, _ in back] == [free]


def test_a_lane_that_turns_to_batches_leaves_out_what_no_batch_takes(raw: sqlite3.Connection) -> None:
    plain = queued(raw, terms=int(Terms.ANYWHERE))
    fast = queued(raw, terms=int(Terms.FAST | Terms.ANYWHERE))
    large = queued(raw, input_bytes=201)
    routed = batch_routes.route_lane(raw, "bulk", batched=True, limit=10, most_bytes=200)
    assert [(one.id, due) for one, due in routed] == [(plain, True)]
    assert [job(raw, job_id).batched for job_id in (plain, fast, large)] == [True, False, False]


def test_what_waits_is_told_by_lane_workflow_and_model_the_most_first(raw: sqlite3.Connection) -> None:
    queued(raw, batched=True, workflow="mail")
    for place, prefix in enumerate(["a/1", "b/2", None]):
        queued(raw, NOW_MS - place, batched=True, prefix=prefix)
    queued(raw, batched=False)
    assert len(batch_items.groups(raw)) == 4
    most, least = batch_items.waiting(raw, 10)
    assert (most.workflow, most.requests, most.bytes, most.oldest_ms) == ("triage", 3, 600, NOW_MS - 2)
    assert (least.workflow, least.requests) == ("mail", 1)
    assert batch_items.waiting(raw, 1) == [most]


def test_a_group_is_as_old_as_its_jobs_could_go(raw: sqlite3.Connection) -> None:
    queued(raw, batched=True, not_before_ms=NOW_MS + 500)
    raw.execute("UPDATE jobs SET due = 3")
    [group] = batch_items.groups(raw)
    assert group.oldest_ms == NOW_MS + 500


def test_the_end_of_a_batch_is_written_once(raw: sqlite3.Connection) -> None:
    number, _, _ = filled(raw)
    batches.told(raw, number, replace(REMOTE, status=ProcessingStatus.ENDED, ended_ms=NOW_MS + 9))
    batches.end(raw, number, BatchState.DONE, None, NOW_MS + 10)
    batches.end(raw, number, BatchState.LOST, "no", NOW_MS + 11)
    assert batches.told(raw, number, REMOTE).state is BatchState.DONE
    assert batches.batch(raw, number).done_ms == NOW_MS + 10
    with pytest.raises(BatchNotFound):
        batches.batch(raw, number + 1)
