"""A fresh schema is the one that all migrations together make."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from claudeflow.store.schema import (
    APPLICATION_ID,
    fresh_schema,
    migrations,
    prepare_schema,
    split_statements,
)

PATH = Path(":memory:")


def an_empty_file() -> sqlite3.Connection:
    return sqlite3.connect(PATH, isolation_level=None)


def apply(raw: sqlite3.Connection, script: str) -> None:
    for statement in split_statements(script):
        raw.execute(statement)


def a_store_of_version(version: int) -> sqlite3.Connection:
    """As the claudeflow of that time left it."""
    raw = an_empty_file()
    for number, script in migrations():
        if number <= version:
            apply(raw, script)
    raw.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    raw.execute(f"PRAGMA user_version = {version}")
    return raw


def schema_of(raw: sqlite3.Connection) -> dict[str, str]:
    """Name → definition, without comments and layout."""
    rows = raw.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL")
    return {name: re.sub(r"\s+", " ", re.sub(r"--[^\n]*", "", sql)).strip() for name, sql in rows}


def marks_of(raw: sqlite3.Connection) -> tuple[int, int]:
    names = ("application_id", "user_version")
    application, version = (raw.execute(f"PRAGMA {name}").fetchone()[0] for name in names)
    return application, version


CURRENT = migrations()[-1][0]


def test_migrations_are_numbered_without_gaps() -> None:
    assert [number for number, _ in migrations()] == list(range(1, CURRENT + 1))


def test_a_fresh_store_is_what_all_migrations_together_make() -> None:
    with closing(an_empty_file()) as fresh, closing(a_store_of_version(CURRENT)) as migrated:
        prepare_schema(fresh, PATH)
        assert schema_of(fresh) == schema_of(migrated)
        assert len(schema_of(fresh)) > 5


@pytest.mark.parametrize("version", range(1, CURRENT + 1))
def test_a_store_of_any_age_becomes_current(version: int) -> None:
    with closing(a_store_of_version(version)) as old, closing(an_empty_file()) as fresh:
        prepare_schema(old, PATH)
        prepare_schema(fresh, PATH)
        assert schema_of(old) == schema_of(fresh)
        assert marks_of(old) == marks_of(fresh) == (APPLICATION_ID, CURRENT)


def test_preparing_a_current_store_changes_nothing() -> None:
    with closing(an_empty_file()) as raw:
        prepare_schema(raw, PATH)
        before = raw.execute("PRAGMA schema_version").fetchone()
        prepare_schema(raw, PATH)
        assert raw.execute("PRAGMA schema_version").fetchone() == before


def test_a_step_that_fails_leaves_nothing_behind() -> None:
    with closing(an_empty_file()) as raw:
        raw.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        raw.execute("CREATE TABLE memory (x)")
        with pytest.raises(sqlite3.OperationalError, match="already exists"):
            prepare_schema(raw, PATH)
        assert set(schema_of(raw)) == {"memory"}
        assert marks_of(raw) == (APPLICATION_ID, 0)


def test_no_statement_of_the_schema_is_lost_when_it_is_split() -> None:
    scripts = [fresh_schema(), *(script for _, script in migrations())]
    for script in scripts:
        code = re.sub(r"--[^\n]*", "", script)
        without_bodies = re.sub(r"\bBEGIN\b.*?\bEND;", ";", code, flags=re.DOTALL)
        assert len(split_statements(script)) == without_bodies.count(";")


def test_every_table_keeps_to_its_types() -> None:
    with closing(an_empty_file()) as raw:
        prepare_schema(raw, PATH)
        tables = dict(raw.execute("SELECT name, strict FROM pragma_table_list WHERE type = 'table'"))
        assert {name for name, strict in tables.items() if not strict and "sqlite_" not in name} == set()
