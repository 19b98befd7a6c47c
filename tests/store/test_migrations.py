"""A store of 0.1.0 is taken over with everything in it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from claudeflow.store.jobs import submit
from claudeflow.store.schema import APPLICATION_ID, migrations, prepare_schema, split_statements
from tests.store.builders import a_new_job
from tests.support.books import contradictions

HOUR_MS = 3_600_000
LARGE = b"x" * 100_000

CONTENT = """
INSERT INTO prompt_versions VALUES ('v1', 'triage', '{"name": "triage"}', 1);
INSERT INTO jobs (id, state, lane, workflow, model, submitted_ms, max_tokens, input_bytes, most_input_tokens,
       prefix, prompt_name, prompt_version, tries, attempts, finished_ms, stop_reason, cost_nanousd, answer)
VALUES (1, 'succeeded', 'bulk', 'mail', 'claude-haiku-5-5', 5, 100, 10, 10, 'aaaa', 'triage', 'v1', 2, 2, 9,
        'end_turn', 700, CAST('answer' AS BLOB));
INSERT INTO jobs (id, lane, workflow, model, submitted_ms, max_tokens, input_bytes, most_input_tokens, body)
VALUES (2, 'standard', 'web', 'claude-opus-5-5', 6, 100, 10, 10,
        CAST('{"tools": [{"type": "web_search_20250305"}], "speed": "fast"}' AS BLOB));
INSERT INTO jobs (id, state, lane, workflow, model, submitted_ms, max_tokens, input_bytes, most_input_tokens,
       tries, lease_token, lease_owner, lease_until_ms)
VALUES (3, 'running', 'standard', 'audit', 'claude-haiku-5-5', 7, 100, 10, 10, 1, 13, 'me', 99);
INSERT INTO calls (id, state, pool, model, owner, opened_ms, ended_ms, reserved_nanousd, cost_nanousd,
       uncached_nanousd, outcome, input_tokens, cache_write_5m_tokens, cache_write_1h_tokens,
       cache_read_tokens, output_tokens, thinking_tokens, raw_usage)
VALUES (11, 'settled', 'p', 'claude-haiku-5-5', 'me', 7200001, 7200002, 900, 700, 800, 'succeeded', 1, 2, 0,
        3, 4, 0, '{"service_tier": "priority", "server_tool_use": {"web_search_requests": 2}}');
INSERT INTO calls (id, state, pool, model, owner, opened_ms, ended_ms, reserved_nanousd)
VALUES (12, 'unknown', 'p', 'claude-haiku-5-5', 'me', 7200003, 7200004, 900);
INSERT INTO calls (id, pool, model, owner, opened_ms, reserved_nanousd)
VALUES (13, 'p', 'claude-haiku-5-5', 'me', 7200005, 900);
INSERT INTO calls (id, pool, model, owner, opened_ms, reserved_nanousd) VALUES (20, 'p', 'm', 'me', 1, 1);
DELETE FROM calls WHERE id = 20;
INSERT INTO attempts VALUES (1, 1, 12, 'crashed', 1, 8, 0, NULL), (1, 2, 11, 'succeeded', 1, 9, 700, NULL);
INSERT INTO holds VALUES ('model:claude-opus-5-5', 'permission', 'not allowed', 5, 6);
INSERT INTO memory VALUES ('limits', '{}', 1);
"""


@pytest.fixture
def taken_over() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as raw:
        for script in (migrations()[0][1], CONTENT):
            for statement in split_statements(script):
                raw.execute(statement)
        raw.execute("INSERT INTO blobs VALUES (3, 'body', ?)", (LARGE,))
        raw.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        raw.execute("PRAGMA user_version = 1")
        raw.execute("PRAGMA foreign_keys = ON")
        prepare_schema(raw, Path(":memory:"))
        yield raw


def test_every_job_answer_and_large_body_is_kept(taken_over: sqlite3.Connection) -> None:
    jobs = taken_over.execute("SELECT id, state, lane, prefix, prompt_version, answer FROM jobs").fetchall()
    assert jobs == [
        (1, "succeeded", "bulk", "aaaa", "v1", b"answer"),
        (2, "queued", "standard", None, None, None),
        (3, "running", "standard", None, None, None),
    ]
    assert taken_over.execute("SELECT * FROM blobs").fetchall() == [(3, "body", LARGE)]
    assert taken_over.execute("SELECT count(*) FROM attempts").fetchone() == (2,)
    assert taken_over.execute("PRAGMA foreign_key_check").fetchall() == []


def test_calls_are_booked_under_the_jobs_that_they_served(taken_over: sqlite3.Connection) -> None:
    calls = taken_over.execute(
        "SELECT id, lane, workflow, prompt_name, service_tier, web_searches FROM calls"
    )
    assert calls.fetchall() == [
        (11, "bulk", "mail", "triage", "priority", 2),
        (12, "bulk", "mail", "triage", "standard", None),
        (13, "standard", "audit", None, "standard", None),
    ]


def test_the_hours_add_up_from_what_is_in_the_books(taken_over: sqlite3.Connection) -> None:
    hours = taken_over.execute(
        "SELECT hour_ms, service_tier, calls, unknown_calls, unknown_bound_nanousd, cost_nanousd,"
        " web_searches FROM usage_hours ORDER BY service_tier"
    )
    assert hours.fetchall() == [
        (2 * HOUR_MS, "priority", 1, 0, 0, 700, 2),
        (2 * HOUR_MS, "standard", 0, 1, 900, 0, 0),
    ]
    assert contradictions(taken_over) == []


def test_what_waits_reserves_for_all_that_its_text_mentions(taken_over: sqlite3.Connection) -> None:
    terms = taken_over.execute("SELECT id, terms, most_web_searches FROM jobs").fetchall()
    assert terms == [(1, 0, 0), (2, 1 + 16, 10), (3, 0, 0)]


def test_holds_stay_in_force(taken_over: sqlite3.Connection) -> None:
    holds = taken_over.execute("SELECT scope, by_hand, cause, probe_at_ms FROM holds").fetchall()
    assert holds == [("model:claude-opus-5-5", 0, "permission", 6)]


def test_ids_go_on_where_they_were(taken_over: sqlite3.Connection) -> None:
    assert dict(taken_over.execute("SELECT name, seq FROM sqlite_sequence")) == {"jobs": 3, "calls": 20}


CONTENT_OF_2 = """
INSERT INTO prompt_versions VALUES ('v1', 'triage', '{"name": "triage"}', 1);
INSERT INTO jobs (id, lane, workflow, model, submitted_ms, max_tokens, input_bytes, most_input_tokens,
       most_web_searches, terms, prefix, prompt_name, prompt_version, body)
VALUES (7, 'bulk', 'mail', 'claude-haiku-5-5', 5, 100, 10, 10, 0, 0, 'v1/turn:aaaa', 'triage', 'v1',
        CAST('[]' AS BLOB));
INSERT INTO jobs (id, state, lane, workflow, model, submitted_ms, max_tokens, input_bytes, most_input_tokens,
       most_web_searches, terms, tries, lease_token, lease_owner, lease_until_ms)
VALUES (8, 'running', 'bulk', 'mail', 'claude-haiku-5-5', 6, 100, 10, 10, 0, 0, 1, 13, 'me', 99);
INSERT INTO calls (id, state, pool, model, lane, workflow, owner, opened_ms, ended_ms, reserved_nanousd,
       cost_nanousd, uncached_nanousd, unbatched_nanousd, plain_nanousd, outcome, input_tokens,
       cache_write_5m_tokens, cache_write_1h_tokens, cache_read_tokens, output_tokens, thinking_tokens,
       web_searches, web_fetches, split_known)
VALUES (12, 'open', 'p', 'claude-haiku-5-5', 'bulk', 'mail', 'me', 7200001, NULL, 900, NULL, NULL, NULL, NULL,
        NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
UPDATE calls SET state = 'settled', ended_ms = 7200002, cost_nanousd = 700, uncached_nanousd = 800,
       unbatched_nanousd = 700, plain_nanousd = 800, outcome = 'succeeded', input_tokens = 1,
       cache_write_5m_tokens = 2, cache_write_1h_tokens = 0, cache_read_tokens = 3, output_tokens = 4,
       thinking_tokens = 0, web_searches = 0, web_fetches = 0, split_known = 1 WHERE id = 12;
INSERT INTO calls (id, pool, model, lane, workflow, owner, opened_ms, reserved_nanousd)
VALUES (13, 'p', 'claude-haiku-5-5', 'bulk', 'mail', 'me', 7200005, 900);
INSERT INTO attempts VALUES (8, 1, 12, 'transient', 1, 8, 700, NULL);
"""


@pytest.fixture
def taken_over_from_2() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as raw:
        for script in (*(script for number, script in migrations() if number <= 2), CONTENT_OF_2):
            for statement in split_statements(script):
                raw.execute(statement)
        raw.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        raw.execute("PRAGMA user_version = 2")
        raw.execute("PRAGMA foreign_keys = ON")
        prepare_schema(raw, Path(":memory:"))
        yield raw


def test_jobs_of_version_2_go_alone_and_by_messages(taken_over_from_2: sqlite3.Connection) -> None:
    jobs = taken_over_from_2.execute("SELECT id, state, due, batched, pack, base, batch_returns FROM jobs")
    assert jobs.fetchall() == [(7, "queued", 1, 0, None, "v1", 0), (8, "running", 1, 0, None, None, 0)]
    attempts = taken_over_from_2.execute("SELECT items, slot, call_ms, input_tokens FROM attempts").fetchall()
    assert attempts == [(1, None, None, None)]


def test_books_of_version_2_are_kept_and_their_triggers_work_on(
    taken_over_from_2: sqlite3.Connection,
) -> None:
    raw = taken_over_from_2
    assert raw.execute("PRAGMA foreign_key_check").fetchall() == []
    assert raw.execute("SELECT sum(calls), sum(cost_nanousd) FROM usage_hours").fetchone() == (1, 700)
    raw.execute("UPDATE calls SET state = 'unknown', ended_ms = 9 WHERE id = 13")
    assert raw.execute("SELECT sum(unknown_calls) FROM usage_hours").fetchone() == (1,)
    next_call = """INSERT INTO calls (pool, model, lane, workflow, owner, opened_ms, reserved_nanousd)
                   VALUES ('p', 'm', 'bulk', 'mail', 'me', 1, 1) RETURNING id"""
    assert raw.execute(next_call).fetchone() == (14,)


@pytest.fixture
def taken_over_from_3() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as raw:
        for script in (script for number, script in migrations() if number <= 3):
            for statement in split_statements(script):
                raw.execute(statement)
        jobs = [(7, "k", None), (8, "of maria", "maria"), (9, None, "maria"), (10, None, "maria")]
        raw.executemany(
            """INSERT INTO jobs (id, lane, workflow, model, submitted_ms, max_tokens, input_bytes,
               most_input_tokens, most_web_searches, terms, dedupe_key, submitted_by)
               VALUES (?, 'bulk', 'default', 'm', 5, 1, 1, 1, 0, 0, ?, ?)""",
            jobs,
        )
        raw.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        raw.execute("PRAGMA user_version = 3")
        raw.execute("PRAGMA foreign_keys = ON")
        prepare_schema(raw, Path(":memory:"))
        yield raw


def test_dedupe_keys_of_version_3_are_those_of_their_submitters(
    taken_over_from_3: sqlite3.Connection,
) -> None:
    raw = taken_over_from_3
    for key, submitter, job_id in (("k", None, 7), ("of maria", "maria", 8)):
        job = a_new_job(workflow="default", dedupe_key=key, submitted_by=submitter)
        [found] = submit(raw, [job], {}, 9, {})
        assert (found.id, found.created) == (job_id, False)
        [other] = submit(raw, [replace(job, submitted_by="bob")], {}, 9, {})
        assert other.created
