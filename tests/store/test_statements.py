"""The statements: each is used, each prepares, and those that run all the time use an index."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest

import claudeflow.store
from claudeflow.store.statements import load_statements

PACKAGE = Path(claudeflow.store.__file__).parent
STATEMENTS = load_statements()
PARAMETER = re.compile(r":([a-z0-9_]+)")
OF_FILTERS = "jobs_unsuccessful"
"""Statements are made of filters too: see test_filtering.py."""

BY_ID = "SEARCH jobs USING INTEGER PRIMARY KEY (rowid=?)"

PLANS = {
    "flow_head": ["SEARCH jobs USING INDEX jobs_due (lane=? AND workflow=? AND model=?)"],
    "due_flows": ["SCAN jobs USING INDEX jobs_due"],
    "lease_job": [BY_ID],
    "finish_job": [BY_ID],
    "requeue_job": [BY_ID, "SEARCH holds USING PRIMARY KEY (scope=?)"],
    "park_job": [BY_ID],
    "unpark_job": [BY_ID],
    "due_by_flow": ["SCAN jobs USING INDEX jobs_due"],
    "cancel_job": [BY_ID],
    "wake_due_jobs": [
        BY_ID,
        "SEARCH jobs USING INDEX jobs_waiting (not_before_ms<?)",
    ],
    "next_waking": ["SEARCH jobs USING INDEX jobs_waiting"],
    "near_deadline": ["SEARCH jobs USING INDEX jobs_deadline (deadline_ms>? AND deadline_ms<?)"],
    "end_queued": [BY_ID],
    "move_job": [BY_ID],
    "lane_eldest": ["SEARCH jobs USING INDEX jobs_queued_age (lane=? AND due=? AND model=?)"],
    "ahead_in_workflow": ["SEARCH jobs USING INDEX jobs_due (lane=? AND workflow=?)"],
    "renew_leases": ["SCAN jobs USING INDEX jobs_running"],
    "running_by_lane": ["SCAN jobs USING INDEX jobs_running"],
    "orphans": ["SCAN jobs USING INDEX jobs_running"],
    "open_calls": ["SEARCH calls USING INDEX calls_not_settled (state=?)"],
    "unknown_spend": ["SEARCH calls USING INDEX calls_not_settled (state=?)"],
    "settle_call": ["SEARCH calls USING INTEGER PRIMARY KEY (rowid=?)"],
    "queue_by_lane": [
        "SCAN jobs USING INDEX jobs_queued_age",
        "SEARCH j USING INTEGER PRIMARY KEY (rowid=?)",
    ],
    "count_queued_up_to": [
        "SEARCH jobs USING INDEX jobs_queued_age (lane=?)",
    ],
    "list_jobs": ["SEARCH jobs USING INTEGER PRIMARY KEY (rowid<?)"],
    "job_by_dedupe_key": [
        "SEARCH jobs USING INDEX jobs_dedupe (workflow=? AND dedupe_key=? AND <expr>=? AND <expr>=?)"
    ],
}


def plan_of(raw: sqlite3.Connection, name: str) -> list[str]:
    """How the tables are reached, and what is sorted. Wording that differs between versions is left out."""
    sql = STATEMENTS[name]
    steps = raw.execute(f"EXPLAIN QUERY PLAN {sql}", nothing_for(sql))
    told = [step[3].replace("COVERING INDEX", "INDEX") for step in steps]
    return [step for step in told if "USING" in step or "TEMP B-TREE" in step]


def nothing_for(sql: str) -> dict[str, None]:
    return dict.fromkeys(PARAMETER.findall(sql))


def test_the_file_is_read_in_full() -> None:
    text = (PACKAGE / "queries.sql").read_text(encoding="utf-8")
    assert list(STATEMENTS) == re.findall(r"^-- name: (\w+)$", text, re.MULTILINE)
    assert all(not sql.rstrip().endswith(";") and "-- name" not in sql for sql in STATEMENTS.values())


@pytest.mark.parametrize("name", STATEMENTS)
def test_every_statement_prepares(raw: sqlite3.Connection, name: str) -> None:
    assert raw.execute(f"EXPLAIN {STATEMENTS[name]}", nothing_for(STATEMENTS[name])).fetchall()


def test_every_statement_is_used_and_none_is_missing() -> None:
    used = {
        name for path in PACKAGE.glob("*.py") for name in re.findall(r"\bSQL\.(\w+)", path.read_text("utf-8"))
    }
    assert used == set(STATEMENTS)


@pytest.mark.parametrize("name", PLANS)
def test_a_statement_that_runs_all_the_time_uses_its_index(raw: sqlite3.Connection, name: str) -> None:
    assert plan_of(raw, name) == PLANS[name]


def test_every_index_is_used_by_some_statement(raw: sqlite3.Connection) -> None:
    indexes = {name for (name,) in raw.execute("SELECT name FROM sqlite_schema WHERE type = 'index'")}
    named = {name for name in indexes if not name.startswith("sqlite_autoindex")}
    plans = " ".join(step for name in STATEMENTS for step in plan_of(raw, name))
    assert named
    assert {name for name in named if name not in plans} == {OF_FILTERS}
