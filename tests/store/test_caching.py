"""What the books and the queue tell of the cache."""

from __future__ import annotations

import sqlite3

from claudeflow.domain.attempt import Interrupted, Reply
from claudeflow.domain.job import JobError, JobState
from claudeflow.policy.caching.prewarm import WaitingPrefix
from claudeflow.store.caching import open_prewarm, prewarm_source, recent_readings, waiting_prefixes
from claudeflow.store.jobs import cancel
from claudeflow.store.ledger import CallEnd, end_call
from claudeflow.store.recovery import recover
from tests.store.builders import KEY, NOW_MS, OWNER, queued, value

MODEL = KEY.model


def opened(raw: sqlite3.Connection, job_id: int) -> int | None:
    return open_prewarm(
        raw, job_id=job_id, prefix="aaaa", pool="p", owner=OWNER, now_ms=NOW_MS, reserved_nanousd=700
    )


def test_jobs_are_counted_by_their_tools_and_system(raw: sqlite3.Connection) -> None:
    first = queued(raw, prefix="aaaa/doc:1")
    for number in range(2, 5):
        queued(raw, prefix=f"aaaa/doc:{number}/turn:{number}")
    queued(raw, prefix="bbbb")
    assert waiting_prefixes(raw, "bulk", 4) == [WaitingPrefix(MODEL, "aaaa", 4, first)]
    assert [found.prefix for found in waiting_prefixes(raw, "bulk", 1)] == ["aaaa", "bbbb"]


def test_what_is_of_another_lane_or_does_not_wait_or_begins_with_messages_is_not_counted(
    raw: sqlite3.Connection,
) -> None:
    queued(raw, prefix="aaaa", lane="interactive")
    queued(raw, prefix="aaaa", not_before_ms=NOW_MS + 60_000)
    queued(raw, prefix="doc:aaaa")
    queued(raw, prefix="doc:aaaa/turn:bbbb")
    queued(raw, prefix=None)
    cancel(raw, queued(raw, prefix="aaaa"), NOW_MS)
    assert waiting_prefixes(raw, "bulk", 1) == []


def test_a_source_is_a_due_job_with_its_body_however_large(raw: sqlite3.Connection) -> None:
    large = b'{"messages":["' + b"x" * 50_000 + b'"]}'
    for body in (b"{}", large):
        job_id = queued(raw, prefix="aaaa", body=body)
        source = prewarm_source(raw, job_id)
        assert source is not None
        assert (source.body, source.candidate.id, source.prompt) == (body, job_id, None)
    waiting = queued(raw, not_before_ms=NOW_MS + 1)
    assert prewarm_source(raw, waiting) is None
    assert prewarm_source(raw, 99) is None


def test_a_prewarm_is_a_call_of_its_workflow_and_no_try_at_a_job(raw: sqlite3.Connection) -> None:
    job_id = queued(raw, prefix="aaaa/doc:1")
    call_id = opened(raw, job_id)
    assert call_id is not None
    row = raw.execute("SELECT kind, lane, workflow, prefix, state, reserved_nanousd FROM calls").fetchone()
    assert row == ("prewarm", "bulk", "triage", "aaaa", "open", 700)
    assert raw.execute("SELECT state, tries FROM jobs").fetchone() == (JobState.QUEUED, 0)
    error = JobError("interrupted", "the daemon stopped")
    end = CallEnd(
        "interrupted", Reply(Interrupted(error), usage_known=False), None, error, used_attempt=False
    )
    end_call(raw, call_id, end, NOW_MS)
    assert value(raw, "SELECT state FROM calls") == "unknown"
    assert value(raw, "SELECT unknown_bound_nanousd FROM usage_hours WHERE kind = 'prewarm'") == 700


def test_a_prewarm_for_a_job_that_has_gone_is_not_opened(raw: sqlite3.Connection) -> None:
    job_id = queued(raw, prefix="aaaa")
    cancel(raw, job_id, NOW_MS)
    assert opened(raw, job_id) is None
    assert value(raw, "SELECT count(*) FROM calls") == 0


def test_a_prewarm_that_a_crash_left_open_is_unknown_at_the_next_start(raw: sqlite3.Connection) -> None:
    opened(raw, queued(raw, prefix="aaaa"))
    assert recover(raw, NOW_MS).unknown_calls == 1
    assert value(raw, "SELECT state FROM calls") == "unknown"
    assert value(raw, "SELECT crash_count FROM jobs") == 0


def test_readings_are_of_the_last_settled_calls_the_oldest_first(raw: sqlite3.Connection) -> None:
    for number in range(3):
        raw.execute(
            """INSERT INTO calls (pool, model, lane, workflow, prefix, owner, opened_ms, reserved_nanousd,
               state, ended_ms, cost_nanousd, input_tokens, cache_write_5m_tokens, cache_write_1h_tokens,
               cache_read_tokens)
               VALUES ('p', 'm', 'l', 'w', 'aaaa/doc:1', 'o', ?, 0, 'settled', 1, 1, 10, 20, 30, ?)""",
            (number, 40 + number),
        )
    opened(raw, queued(raw))
    found = recent_readings(raw, 2)
    assert [(one.at_ms, one.prompt_tokens, one.read_tokens) for one in found] == [(1, 101, 41), (2, 102, 42)]
    assert [one.write_tokens for one in found] == [50, 50]
    assert {(one.workflow, one.prompt_name, one.version, one.prefix) for one in found} == {
        ("w", None, "aaaa", "aaaa/doc:1")
    }
