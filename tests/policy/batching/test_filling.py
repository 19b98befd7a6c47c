"""When a batch leaves."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeflow.policy.batching.filling import Leave, NotYet, Waiting, decide_fill
from claudeflow.policy.batching.lateness import leave_by_ms
from claudeflow.policy.batching.settings import BatchSettings
from tests.policy.batching.builders import NOW_MS, SETTINGS

COMPLETION_S = 1_000.0
SOME = Waiting(count=312, size_bytes=400_000, due_since_ms=NOW_MS)
AGE_MS = 300_000

WAITING = st.builds(
    Waiting,
    count=st.integers(0, 3_000),
    size_bytes=st.integers(0, 2_000_000),
    due_since_ms=st.integers(NOW_MS - 1_000_000, NOW_MS),
    deadline_ms=st.none() | st.integers(NOW_MS - 10_000, NOW_MS + 8_000_000),
)
ROOM = st.integers(0, 5_000)


def decided(
    waiting: Waiting, now_ms: int = NOW_MS, room: int = 5_000, settings: BatchSettings = SETTINGS
) -> Leave | NotYet:
    return decide_fill(waiting, settings, now_ms, room=room, completion_s=COMPLETION_S)


def test_a_part_of_a_batch_waits_for_company_until_its_first_job_is_old_enough() -> None:
    assert decided(SOME, NOW_MS + AGE_MS - 1) == NotYet(
        NOW_MS + AGE_MS,
        "its batch has 312 of 1,000 requests, and leaves when its first job has waited for 5m",
    )
    assert decided(SOME, NOW_MS + AGE_MS) == Leave(312, "its first job has waited for 5m")


def test_where_nobody_waits_no_batch_leaves() -> None:
    assert decided(Waiting(0, 0, NOW_MS - 10 * AGE_MS)) == NotYet(None, "no job waits for a batch")


@pytest.mark.parametrize("count", [1_000, 1_001, 2_500])
def test_a_full_batch_leaves_at_once(count: int) -> None:
    assert decided(replace(SOME, count=count)) == Leave(1_000, "it has 1,000 requests")


def test_one_request_less_does_not() -> None:
    assert isinstance(decided(replace(SOME, count=999)), NotYet)


def test_so_does_one_with_all_the_bytes_that_it_may_have() -> None:
    assert decided(replace(SOME, size_bytes=1_000_000)) == Leave(312, "it has 1,000,000 bytes")
    assert isinstance(decided(replace(SOME, size_bytes=999_999)), NotYet)


def test_a_batch_leaves_early_for_a_deadline_that_further_waiting_would_endanger() -> None:
    deadline_ms = NOW_MS + 10_000 + (1_500 + 900) * 1_000
    hurried = replace(SOME, deadline_ms=deadline_ms)
    assert decided(hurried) == NotYet(
        NOW_MS + 10_000,
        "its batch has 312 of 1,000 requests, and leaves when the deadline of a job leaves no more time",
    )
    assert decided(hurried, NOW_MS + 10_000) == Leave(312, "the deadline of a job leaves no more time")


def test_a_distant_deadline_changes_nothing() -> None:
    assert decided(replace(SOME, deadline_ms=NOW_MS + 90_000_000)) == decided(SOME)


def test_what_would_leave_waits_while_the_queue_of_the_api_is_full() -> None:
    why = "unfinished batches hold 5,000 requests, the most that they may: one has to end first"
    assert decided(SOME, NOW_MS + AGE_MS, room=0) == NotYet(None, why)
    assert decided(replace(SOME, count=1_000), room=-3) == NotYet(None, why)


def test_no_more_leaves_than_there_is_room_for() -> None:
    assert decided(replace(SOME, count=1_000), room=40) == Leave(40, "it has 1,000 requests")


def test_a_batch_is_full_with_all_that_may_ever_be_out() -> None:
    settings = replace(SETTINGS, max_queued=200)
    assert decided(SOME, room=200, settings=settings) == Leave(200, "it has 200 requests")


@given(WAITING, ROOM)
def test_at_the_moment_that_is_named_it_leaves_and_not_before(waiting: Waiting, room: int) -> None:
    found = decided(waiting, room=max(1, room))
    if isinstance(found, NotYet) and found.until_ms is not None:
        assert found.until_ms > NOW_MS
        assert isinstance(decided(waiting, found.until_ms - 1, room=max(1, room)), NotYet)
        assert isinstance(decided(waiting, found.until_ms, room=max(1, room)), Leave)


@given(WAITING, ROOM)
def test_a_batch_is_never_empty_nor_larger_than_any_bound(waiting: Waiting, room: int) -> None:
    found = decided(waiting, room=room)
    if isinstance(found, Leave):
        assert 1 <= found.requests <= min(waiting.count, room, SETTINGS.max_requests)


@given(WAITING)
def test_no_job_waits_for_company_beyond_its_age_or_the_slack_of_its_deadline(waiting: Waiting) -> None:
    found = decided(waiting)
    if isinstance(found, NotYet) and waiting.count:
        assert found.until_ms is not None
        assert found.until_ms <= waiting.due_since_ms + AGE_MS
        if waiting.deadline_ms is not None:
            assert found.until_ms <= leave_by_ms(waiting.deadline_ms, COMPLETION_S, SETTINGS)
