"""The store moves jobs along the table of transitions and nowhere else, and cannot hold what must not be."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import suppress

import pytest

from claudeflow.domain.errors import Conflict
from claudeflow.domain.job import (
    CANCELLABLE_STATES,
    RETRYABLE_STATES,
    TRANSITIONS,
    WAITING_STATES,
    Job,
    JobError,
    JobId,
    JobState,
    Lease,
)
from claudeflow.store.jobs import cancel, job, revive, wake_due
from claudeflow.store.ledger import Finish, Requeue, record
from claudeflow.store.queue import Ending, end_queued, move
from claudeflow.store.recovery import recover
from tests.store.builders import (
    NOW_MS,
    OWNER,
    a_job_in,
    answered,
    claimed,
    due_jobs,
    expire,
    failed,
    queued,
    running,
)

Action = Callable[[sqlite3.Connection, JobId], object]


def _claim(raw: sqlite3.Connection, job_id: JobId) -> object:
    return job_id in due_jobs(raw) and claimed(raw, job_id)


def _ending(fate: Finish | Requeue) -> Action:
    """The end of a try, written by whoever holds the lease; without one, with a lease of long ago."""

    def act(raw: sqlite3.Connection, job_id: JobId) -> object:
        token = raw.execute("SELECT lease_token FROM jobs WHERE id = ?", (job_id,)).fetchone()[0] or 1
        tries = job(raw, job_id).tries + 1
        lease = Lease(token, OWNER)
        holder = Job(job_id, "", "", "", "", 0, b"", None, None, 0, 0, None, 0, tries, lease, token)
        end = answered() if isinstance(fate, Finish) and fate.state is JobState.SUCCEEDED else failed()
        return record(raw, holder, end, fate, NOW_MS)

    return act


ACTIONS: dict[str, Action] = {
    "claim": _claim,
    "succeed": _ending(Finish(JobState.SUCCEEDED, "end_turn")),
    "fail": _ending(Finish(JobState.FAILED)),
    "stop": _ending(Finish(JobState.CANCELLED)),
    "requeue": _ending(Requeue("later", NOW_MS + 1)),
    "cancel": lambda raw, job_id: cancel(raw, job_id, NOW_MS),
    "revive": revive,
    "expire": lambda raw, _: expire(raw, NOW_MS * 2, 10),
    "refuse": lambda raw, job_id: end_queued(
        raw, [Ending(job_id, JobState.FAILED, JobError("too_large_for_limits", "it is too large"))], NOW_MS
    ),
    "move": lambda raw, job_id: move(raw, job_id, "interactive", 5, bound=0, route=lambda *_: False),
    "wake": lambda raw, _: wake_due(raw, NOW_MS * 2, 10),
    "recover": lambda raw, _: recover(raw, NOW_MS),
}


def states_around(raw: sqlite3.Connection, job_id: JobId, action: Action) -> tuple[JobState, JobState]:
    before = job(raw, job_id).state
    with suppress(Conflict):
        action(raw, job_id)
    return before, job(raw, job_id).state


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("state", JobState)
def test_no_action_moves_a_job_off_the_table(raw: sqlite3.Connection, state: JobState, action: str) -> None:
    before, after = states_around(raw, a_job_in(state, raw), ACTIONS[action])
    assert after is before or after in TRANSITIONS[before]


@pytest.mark.parametrize("state", JobState)
@pytest.mark.parametrize(
    ("action", "states"),
    [("cancel", CANCELLABLE_STATES), ("revive", RETRYABLE_STATES), ("move", WAITING_STATES)],
)
def test_what_a_state_allows_is_known_before(
    raw: sqlite3.Connection, state: JobState, action: str, states: frozenset[JobState]
) -> None:
    allowed = True
    try:
        ACTIONS[action](raw, a_job_in(state, raw))
    except Conflict:
        allowed = False
    assert allowed is (state in states)


def test_every_move_of_the_table_is_made_by_some_action(raw: sqlite3.Connection) -> None:
    moves = {states_around(raw, a_job_in(state, raw), act) for state in JobState for act in ACTIONS.values()}
    moves.add(states_around(raw, queued(raw, deadline_ms=NOW_MS), ACTIONS["expire"]))
    third_crash = running(raw).id
    for _ in range(2):
        recover(raw, NOW_MS)
        claimed(raw, third_crash)
    moves.add(states_around(raw, third_crash, ACTIONS["recover"]))
    listed = {(state, target) for state, targets in TRANSITIONS.items() for target in targets}
    assert {(before, after) for before, after in moves if before is not after} == listed


@pytest.mark.parametrize(
    ("state", "change"),
    [
        ("queued", "state = 'asleep'"),
        ("queued", "state = 'running'"),
        ("queued", "lease_token = 1, lease_owner = 'x', lease_until_ms = 1"),
        ("queued", "state = 'succeeded', stop_reason = 'end_turn'"),
        ("queued", "state = 'succeeded', finished_ms = 1"),
        ("queued", "state = 'failed', finished_ms = 1"),
        ("queued", "finished_ms = 1"),
        ("queued", "due = 3"),
        ("queued", "max_tokens = -1"),
        ("queued", "max_tokens = 'many'"),
        ("queued", "metadata = 'no JSON'"),
        ("queued", "prompt_name = 'triage'"),
        ("running", "state = 'queued'"),
        ("running", "lease_token = NULL"),
        ("running", "lease_owner = NULL"),
        ("running", "lease_until_ms = NULL"),
        ("running", "state = 'cancelled', finished_ms = 1"),
        ("succeeded", "finished_ms = NULL"),
        ("succeeded", "stop_reason = NULL"),
        ("succeeded", "state = 'queued'"),
        ("failed", "error = NULL"),
        ("failed", "error = 'prose'"),
        ("expired", "state = 'held'"),
        ("held", "finished_ms = 1"),
    ],
)
def test_a_job_that_must_not_be_cannot_be_stored(raw: sqlite3.Connection, state: str, change: str) -> None:
    job_id = a_job_in(JobState(state), raw)
    with pytest.raises(sqlite3.IntegrityError):
        raw.execute(f"UPDATE jobs SET {change} WHERE id = ?", (job_id,))


@pytest.mark.parametrize(
    "change",
    [
        "state = 'lost'",
        "state = 'settled', ended_ms = 1",
        "cost_nanousd = 5",
        "state = 'unknown'",
        "ended_ms = 1",
        "reserved_nanousd = -1",
        "reserved_nanousd = NULL",
    ],
)
def test_a_call_that_must_not_be_cannot_be_stored(raw: sqlite3.Connection, change: str) -> None:
    running(raw)
    with pytest.raises(sqlite3.IntegrityError):
        raw.execute(f"UPDATE calls SET {change}")


ATTEMPT = """INSERT INTO attempts
             (job_id, number, call_id, outcome, used_attempt, ended_ms, cost_nanousd, error) VALUES"""


@pytest.mark.parametrize(
    "statement",
    [
        f"{ATTEMPT} (1, 1, 1, 'x', 0, 1, 0, NULL)",
        f"{ATTEMPT} (1, 0, 1, 'x', 0, 1, 0, NULL)",
        f"{ATTEMPT} (1, 9, 99, 'x', 0, 1, 0, NULL)",
        f"{ATTEMPT} (99, 9, 1, 'x', 0, 1, 0, NULL)",
        f"{ATTEMPT} (1, 9, 1, 'x', 2, 1, 0, NULL)",
        f"{ATTEMPT} (1, 9, 1, 'x', 0, 1, 0, 'prose')",
        "INSERT INTO blobs VALUES (1, 'rest', x'00')",
        "INSERT INTO blobs VALUES (99, 'body', x'00')",
        "INSERT INTO prompt_versions VALUES ('v', 'n', 'no JSON', 1)",
        "INSERT INTO memory VALUES ('m', 'no JSON', 1)",
    ],
)
def test_no_other_row_can_contradict_itself_or_the_others(raw: sqlite3.Connection, statement: str) -> None:
    a_job_in(JobState.FAILED, raw)
    with pytest.raises(sqlite3.IntegrityError):
        raw.execute(statement)
