"""The queue in the store: its order, the oldest, the late, and what moves or ends without a call."""

from __future__ import annotations

import sqlite3

import pytest

from claudeflow.domain.errors import Conflict, JobNotFound, QueueFull
from claudeflow.domain.job import Candidate, JobError, JobId, JobState
from claudeflow.policy.lanes.flow import FlowKey
from claudeflow.policy.lanes.lines import rank
from claudeflow.store.jobs import flow_head, job
from claudeflow.store.queue import Ending, end_queued, lane_eldest, move, near_deadline
from claudeflow.store.reports import queue_around
from tests.store.builders import KEY, NOW_MS, claimed, queued

ERROR = JobError("too_large_for_limits", "it is too large")


def by_calls(candidate: Candidate, returns: int) -> bool:
    """No job goes by a batch."""
    return False


def ids(candidates: list[Candidate]) -> list[int]:
    return [candidate.id for candidate in candidates]


def test_a_flow_is_in_the_order_of_priority_deadline_and_age(raw: sqlite3.Connection) -> None:
    for priority in (0, 5, -5):
        for deadline_ms in (None, NOW_MS + 50, NOW_MS + 10, None, NOW_MS + 50):
            queued(raw, priority=priority, deadline_ms=deadline_ms)
    head = flow_head(raw, KEY, 100)
    assert len(head) == 15
    assert head == sorted(head, key=rank)
    assert [candidate.deadline_ms for candidate in head[:3]] == [NOW_MS + 10, NOW_MS + 50, NOW_MS + 50]


def test_the_oldest_of_a_lane_are_found_whatever_their_workflow_and_priority(raw: sqlite3.Connection) -> None:
    first = queued(raw, workflow="a", priority=-9)
    queued(raw, workflow="a", not_before_ms=NOW_MS + 1)
    queued(raw, lane="other")
    third = queued(raw, workflow="b", priority=9)
    assert ids(lane_eldest(raw, KEY.lane, KEY.model, 10)) == [first, third]
    assert ids(lane_eldest(raw, KEY.lane, KEY.model, 1)) == [first]
    assert lane_eldest(raw, KEY.lane, "another-model", 10) == []


def test_jobs_near_their_deadline_come_with_the_nearest_first(raw: sqlite3.Connection) -> None:
    late = [queued(raw, deadline_ms=NOW_MS + at) for at in (30, 10, 20, 99)]
    queued(raw)
    assert ids(near_deadline(raw, NOW_MS + 50, 10)) == [late[1], late[2], late[0]]
    assert ids(near_deadline(raw, NOW_MS + 50, 1)) == [late[1]]


def test_a_job_that_waits_ends_without_a_call_and_keeps_its_error(raw: sqlite3.Connection) -> None:
    waits, runs = queued(raw), claimed(raw, queued(raw)).id
    ended = end_queued(raw, [Ending(JobId(n), JobState.FAILED, ERROR) for n in (waits, runs)], NOW_MS)
    assert [end is not None for end in ended] == [True, False]
    record = job(raw, waits)
    assert (record.state, record.error, record.finished_ms, record.tries) == (
        JobState.FAILED,
        ERROR,
        NOW_MS,
        0,
    )
    assert job(raw, runs).state is JobState.RUNNING


def test_a_job_moves_to_another_lane_and_priority_and_keeps_its_age(raw: sqlite3.Connection) -> None:
    job_id = queued(raw, priority=3)
    moved = move(raw, job_id, "interactive", None, bound=0, route=by_calls)
    assert moved.after is not None
    assert (moved.before.lane, moved.before.priority) == (KEY.lane, 3)
    assert (moved.after.lane, moved.after.priority) == ("interactive", 3)
    assert (moved.record.lane, moved.record.submitted_ms) == ("interactive", NOW_MS)
    assert ids(flow_head(raw, FlowKey("interactive", KEY.workflow, KEY.model), 10)) == [job_id]
    again = move(raw, job_id, None, -7, bound=0, route=by_calls)
    assert (again.record.lane, again.record.priority) == ("interactive", -7)


def test_a_job_that_is_not_due_moves_and_stays_asleep(raw: sqlite3.Connection) -> None:
    moved = move(raw, queued(raw, not_before_ms=NOW_MS + 1), "interactive", None, bound=0, route=by_calls)
    assert moved.after is None


def test_a_job_that_runs_or_does_not_exist_cannot_be_moved(raw: sqlite3.Connection) -> None:
    with pytest.raises(Conflict, match="running"):
        move(raw, claimed(raw, queued(raw)).id, "interactive", None, bound=0, route=by_calls)
    with pytest.raises(JobNotFound):
        move(raw, JobId(99), "interactive", None, bound=0, route=by_calls)


def test_nobody_moves_into_a_full_lane_but_within_one(raw: sqlite3.Connection) -> None:
    there = queued(raw, lane="interactive")
    with pytest.raises(QueueFull):
        move(raw, queued(raw), "interactive", None, bound=1, route=by_calls)
    assert move(raw, there, "interactive", 9, bound=1, route=by_calls).record.priority == 9


def test_what_is_ahead_of_a_job_is_counted_by_rank(raw: sqlite3.Connection) -> None:
    earlier = [queued(raw), queued(raw, priority=2), queued(raw, model="claude-opus-5-5")]
    mine = queued(raw, deadline_ms=None)
    queued(raw, priority=-1)
    urgent = queued(raw, deadline_ms=NOW_MS + 1_000)
    queued(raw, workflow="other")
    found = queue_around(raw, mine)
    assert found is not None
    assert found.ahead == {KEY.model: len([earlier[0], earlier[1], urgent]), "claude-opus-5-5": 1}
    assert sum(found.due.values()) == 7
    assert queue_around(raw, claimed(raw, mine).id) is None
