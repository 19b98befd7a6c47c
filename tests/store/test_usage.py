"""Sums over the books: they agree with the calls after any history, and can be asked for by any dimension."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claudeflow.domain.job import Job, JobState
from claudeflow.domain.ledger import Dimension, UsageRow, total_of
from claudeflow.store.claims import Claim, claim
from claudeflow.store.ledger import CallEnd, Finish, Requeue, record, spend
from claudeflow.store.recovery import recover
from claudeflow.store.usage import HOUR_MS, usage, waiting_by_model
from tests.store.builders import (
    KEY,
    LEASE_MS,
    NOW_MS,
    OWNER,
    a_connection,
    answered,
    failed,
    queued,
    running,
    submitted,
)
from tests.support.books import contradictions

SUCCESS = Finish(JobState.SUCCEEDED, "end_turn")
START_MS = NOW_MS - NOW_MS % HOUR_MS
COUNTED = (
    *(f"{kind}_tokens" for kind in ("input", "cache_write_5m", "cache_write_1h", "cache_read", "output")),
    *("thinking_tokens", "web_searches", "web_fetches"),
)
USAGES: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "input_tokens": st.integers(0, 10**6),
        "cache_write_5m_tokens": st.integers(0, 10**6),
        "cache_write_1h_tokens": st.integers(0, 10**6),
        "cache_read_tokens": st.integers(0, 10**6),
        "output_tokens": st.integers(0, 10**6),
        "web_searches": st.integers(0, 5),
        "service_tier": st.sampled_from(["standard", "batch", "priority"]),
        "speed": st.sampled_from(["standard", "fast"]),
        "inference_geo": st.sampled_from([None, "us", "global"]),
        "split_known": st.booleans(),
    }
)
ENDS = st.one_of(
    st.tuples(st.integers(0, 10**12), USAGES).map(lambda told: answered(cost_nanousd=told[0], **told[1])),
    st.just(failed(cost_nanousd=None)),
    st.integers(0, 10**12).map(lambda cost: failed(cost_nanousd=cost)),
    st.just(None),
)
STEPS = st.lists(st.tuples(st.integers(0, 3 * HOUR_MS), st.sampled_from("abc"), ENDS), max_size=15)


def opened(raw: sqlite3.Connection, at_ms: int = START_MS, reserved_nanousd: int = 1_000, **job: Any) -> Job:
    """A new job whose call was opened then."""
    candidate = submitted(raw, **job).candidate
    assert candidate is not None
    [[leased]] = claim(raw, [Claim(candidate, "p", reserved_nanousd)], OWNER, at_ms + LEASE_MS, at_ms)
    assert leased is not None
    return leased


def booked(raw: sqlite3.Connection, at_ms: int, end: CallEnd, **job: Any) -> None:
    """A call opened then, ended and written down."""
    fate = SUCCESS if end.error is None else Requeue("later", at_ms + HOUR_MS)
    record(raw, opened(raw, at_ms, **job), end, fate, at_ms + 5)


@given(STEPS, st.booleans())
@settings(max_examples=60, deadline=None)
def test_after_any_history_hours_are_sums_of_calls_and_jobs_of_attempts(
    steps: list[tuple[int, str, CallEnd | None]], crashes: bool
) -> None:
    raw = a_connection(Path(":memory:"))
    for after_ms, workflow, end in steps:
        if end is None:
            opened(raw, START_MS + after_ms, 13, workflow=workflow)
        else:
            booked(raw, START_MS + after_ms, end, workflow=workflow, reserved_nanousd=13)
    if crashes:
        recover(raw, START_MS + 4 * HOUR_MS)
    assert contradictions(raw) == []
    for by in product(Dimension, repeat=2):
        assert replace(total_of(usage(raw, by=by)), key=()) == total_of(usage(raw))
    books, total = spend(raw), total_of(usage(raw))
    assert (books.settled_nanousd, books.calls) == (total.cost_nanousd, total.calls)
    assert (books.unknown_calls, books.unknown_bound_nanousd) == (
        total.unknown_calls,
        total.unknown_bound_nanousd,
    )
    raw.close()


@given(st.lists(USAGES, min_size=1, max_size=6))
@settings(max_examples=30, deadline=None)
def test_a_call_heard_of_after_all_moves_from_the_bound_to_the_sums(
    told: list[dict[str, Any]],
) -> None:
    raw = a_connection(Path(":memory:"))
    jobs = [opened(raw, reserved_nanousd=50) for _ in told]
    recover(raw, START_MS + 1)
    assert total_of(usage(raw)).unknown_bound_nanousd == 50 * len(jobs)
    for job, counts in zip(jobs, told, strict=True):
        assert not record(raw, job, answered(cost_nanousd=7, **counts), SUCCESS, START_MS + 2)
        assert contradictions(raw) == []
    total = total_of(usage(raw))
    assert (total.calls, total.unknown_calls, total.unknown_bound_nanousd) == (len(jobs), 0, 0)
    assert total.cost_nanousd == 7 * len(jobs)
    raw.close()


def test_an_empty_store_used_nothing(raw: sqlite3.Connection) -> None:
    assert usage(raw) == usage(raw, by=[Dimension.DAY]) == []


def test_a_call_that_is_still_open_is_not_booked(raw: sqlite3.Connection) -> None:
    running(raw)
    assert usage(raw) == []


def test_rows_are_ordered_by_their_key_and_sum_up_everything(raw: sqlite3.Connection) -> None:
    told: dict[str, Any] = {**dict(zip(COUNTED, range(1, 9), strict=True)), "split_known": False}
    booked(raw, START_MS, answered(cost_nanousd=70, **told), workflow="b")
    booked(raw, START_MS, answered(cost_nanousd=1), workflow="a")
    booked(raw, START_MS, failed(cost_nanousd=None), workflow="a")
    a, b = usage(raw, by=[Dimension.WORKFLOW, Dimension.MODEL])
    assert a == UsageRow(
        ("a", KEY.model), calls=1, unknown_calls=1, unknown_bound_nanousd=1_000, cost_nanousd=1,
        uncached_nanousd=2, unbatched_nanousd=1, plain_nanousd=2,
    )  # fmt: skip
    assert b == UsageRow(
        ("b", KEY.model), 1, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, cost_nanousd=70, uncached_nanousd=140,
        unbatched_nanousd=70, plain_nanousd=140,
    )  # fmt: skip
    assert usage(raw) == [total_of([a, b])]


def test_hours_days_and_months_are_those_of_utc(raw: sqlite3.Connection) -> None:
    day_ms = 24 * HOUR_MS
    midnight_ms = START_MS - START_MS % day_ms
    for at_ms in (midnight_ms - 1, midnight_ms, midnight_ms + HOUR_MS - 1, midnight_ms + HOUR_MS):
        booked(raw, at_ms, answered())
    assert [row.calls for row in usage(raw, by=[Dimension.HOUR])] == [1, 2, 1]
    assert [(row.key, row.calls) for row in usage(raw, by=[Dimension.DAY])] == [
        (("2026-11-21",), 1),
        (("2026-11-22",), 3),
    ]
    assert usage(raw, by=[Dimension.HOUR])[1].key == ("2026-11-22T00:00Z",)
    assert [row.key for row in usage(raw, by=[Dimension.MONTH])] == [("2026-11",)]


def test_a_window_is_in_whole_hours(raw: sqlite3.Connection) -> None:
    for hour in range(4):
        booked(raw, START_MS + hour * HOUR_MS, answered())
    first_ms = START_MS + HOUR_MS

    def calls(since_ms: int, until_ms: int | None) -> int:
        return total_of(usage(raw, since_ms=since_ms, until_ms=until_ms)).calls

    assert calls(first_ms, None) == calls(first_ms + HOUR_MS - 1, None) == 3
    assert calls(0, first_ms) == 1
    assert calls(0, first_ms + 1) == 2
    assert calls(first_ms, first_ms) == 0


@pytest.mark.parametrize(
    ("where", "calls"),
    [
        ({Dimension.WORKFLOW: "a"}, 2),
        ({Dimension.WORKFLOW: "a", Dimension.SPEED: "fast"}, 1),
        ({Dimension.GEO: ""}, 2),
        ({Dimension.PROMPT: "nobody"}, 0),
        ({Dimension.WORKFLOW: "a' OR 1 = 1 --"}, 0),
    ],
)
def test_a_filter_must_match_exactly(
    raw: sqlite3.Connection, where: dict[Dimension, str], calls: int
) -> None:
    booked(raw, START_MS, answered(), workflow="a")
    booked(raw, START_MS, answered(speed="fast", inference_geo="us"), workflow="a")
    booked(raw, START_MS, answered(), workflow="b")
    assert total_of(usage(raw, where=where)).calls == calls


def test_shares_are_of_the_whole_input_and_of_the_bill_without_cache_and_batch() -> None:
    row = UsageRow(input_tokens=10, cache_write_5m_tokens=20, cache_write_1h_tokens=10, cache_read_tokens=60)
    assert (row.prompt_tokens, row.cached_share) == (100, 0.6)
    assert replace(row, cost_nanousd=25, plain_nanousd=100).saved_share == 0.75
    assert UsageRow().cached_share is UsageRow().saved_share is None


def test_jobs_that_wait_or_run_are_counted_by_model(raw: sqlite3.Connection) -> None:
    queued(raw, not_before_ms=NOW_MS + 99)
    running(raw)
    running(raw, model="m")
    booked(raw, START_MS, answered(), model="done")
    assert waiting_by_model(raw) == {KEY.model: 2, "m": 1}
