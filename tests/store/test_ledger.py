"""The books: settled to the nano-dollar, unknown calls bounded above."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claudeflow.domain.errors import JobNotFound
from claudeflow.domain.job import JobId, JobState
from claudeflow.domain.report import Spend
from claudeflow.store.ledger import CallEnd, Finish, Requeue, record, spend
from claudeflow.store.reports import LaneCount, attempts_of, lane_counts
from tests.store.builders import (
    NOW_MS,
    a_connection,
    a_job_in,
    answered,
    claimed,
    failed,
    queued,
    released,
    running,
    value,
)

SUCCESS = Finish(JobState.SUCCEEDED, "end_turn")
ENDS = st.lists(
    st.one_of(
        st.integers(0, 10**15).map(lambda cost: answered(cost_nanousd=cost)),
        st.integers(0, 10**15).map(lambda cost: failed(cost_nanousd=cost)),
        st.just(failed(cost_nanousd=None)),
    ),
    max_size=12,
)


def test_nothing_was_spent_in_an_empty_store(raw: sqlite3.Connection) -> None:
    assert spend(raw) == Spend(0, 0, 0, 0, 0)


def test_a_settled_call_keeps_its_usage_cost_and_request_id(raw: sqlite3.Connection) -> None:
    leased = running(raw)
    end = answered(
        cost_nanousd=70,
        input_tokens=1,
        cache_write_5m_tokens=2,
        cache_write_1h_tokens=3,
        cache_read_tokens=4,
        output_tokens=5,
        thinking_tokens=6,
    )
    record(raw, leased, end, SUCCESS, NOW_MS + 2)
    assert raw.execute(
        "SELECT state, outcome, http_status, request_id, opened_ms, ended_ms, cost_nanousd, uncached_nanousd,"
        " input_tokens, cache_write_5m_tokens, cache_write_1h_tokens, cache_read_tokens, output_tokens,"
        " thinking_tokens, raw_usage FROM calls"
    ).fetchone() == (
        *("settled", "succeeded", 200, "req_2", NOW_MS, NOW_MS + 2, 70, 140),
        *(1, 2, 3, 4, 5, 6, '{"input_tokens":1}'),
    )


def test_a_call_whose_cost_nobody_knows_is_bounded_by_what_was_reserved(raw: sqlite3.Connection) -> None:
    leased = claimed(raw, queued(raw), reserved_nanousd=900)
    record(raw, leased, failed(cost_nanousd=None), Requeue("later"), NOW_MS)
    assert spend(raw) == Spend(0, 0, 0, 1, 900)
    assert raw.execute("SELECT outcome, http_status, request_id FROM calls").fetchone() == (
        "transient",
        500,
        "req_3",
    )


def test_a_call_that_is_still_open_is_in_neither_sum(raw: sqlite3.Connection) -> None:
    running(raw)
    assert spend(raw) == Spend(0, 0, 0, 0, 0)


@given(ENDS)
@settings(max_examples=40, deadline=None)
def test_the_books_are_the_exact_sum_of_all_calls_and_so_are_jobs_and_attempts(ends: list[CallEnd]) -> None:
    raw = a_connection(Path(":memory:"))
    for end in ends:
        fate = SUCCESS if end.error is None else Requeue("later")
        record(raw, claimed(raw, queued(raw), reserved_nanousd=13), end, fate, NOW_MS)
    bills = [end.bill for end in ends if end.bill is not None]
    unknown = len(ends) - len(bills)
    cost = sum(bill.cost_nanousd for bill in bills)
    uncached = sum(bill.uncached_nanousd for bill in bills)
    assert spend(raw) == Spend(cost, uncached, len(bills), unknown, 13 * unknown)
    for table in ("jobs", "attempts"):
        assert value(raw, f"SELECT coalesce(sum(cost_nanousd), 0) FROM {table}") == cost
    raw.close()


def test_every_try_of_a_job_is_listed_with_its_call_the_first_one_first(raw: sqlite3.Connection) -> None:
    first = running(raw)
    released(raw, first, used_attempt=True)
    record(raw, claimed(raw, first.id), answered(output_tokens=8), SUCCESS, NOW_MS + 9)
    one, two = attempts_of(raw, first.id)
    assert (one.number, one.outcome, one.error_type, one.http_status) == (1, "transient", "api_error", 500)
    assert (two.number, two.outcome, two.output_tokens, two.cost_nanousd) == (2, "succeeded", 8, 70)


def test_a_job_that_was_never_tried_has_no_tries_and_nobodys_job_is_not_found(
    raw: sqlite3.Connection,
) -> None:
    assert attempts_of(raw, queued(raw)) == []
    with pytest.raises(JobNotFound):
        attempts_of(raw, JobId(99))


def test_lanes_count_what_waits_and_runs_and_how_old_the_oldest_is(raw: sqlite3.Connection) -> None:
    queued(raw, now_ms=NOW_MS + 5, lane="l")
    queued(raw, now_ms=NOW_MS + 6, lane="l", not_before_ms=NOW_MS + 99)
    running(raw, lane="m")
    a_job_in(JobState.SUCCEEDED, raw)
    assert lane_counts(raw) == {"l": LaneCount(2, 0, NOW_MS + 5), "m": LaneCount(0, 1, None)}
