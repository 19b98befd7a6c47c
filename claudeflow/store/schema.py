"""The schema: fresh stores from schema.sql, old ones by migrations, nobody else's files at all."""

from __future__ import annotations

import sqlite3
from importlib import resources
from pathlib import Path

from claudeflow.domain.errors import SchemaTooNew, StoreError

APPLICATION_ID = 0x636C6677
"""`clfw`: marks a SQLite file as a claudeflow store."""


def migrations() -> list[tuple[int, str]]:
    """Version → script, in order."""
    folder = resources.files("claudeflow.store").joinpath("migrations")
    scripts = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return [(int(name.split("_")[0]), folder.joinpath(name).read_text(encoding="utf-8")) for name in scripts]


def fresh_schema() -> str:
    """The whole current schema."""
    return resources.files("claudeflow.store").joinpath("schema.sql").read_text(encoding="utf-8")


def prepare_schema(raw: sqlite3.Connection, path: Path) -> None:
    """Make the file a store of the current version, or say why it cannot be one."""
    steps = migrations()
    current = steps[-1][0]
    version = _version_of(raw, path)
    if version == current:
        return
    if version > current:
        raise SchemaTooNew(
            f"{path}: schema version {version} is newer than this claudeflow ({current}); install a newer one"
        )
    if version == 0:
        _apply(raw, current, fresh_schema())
        return
    for target, script in steps:
        if target > version:
            _apply(raw, target, script)


def _version_of(raw: sqlite3.Connection, path: Path) -> int:
    try:
        application = raw.execute("PRAGMA application_id").fetchone()[0]
        tables = raw.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    except sqlite3.DatabaseError as problem:
        raise StoreError(f"{path}: not a SQLite file ({problem}); name another store") from problem
    if application != APPLICATION_ID and tables:
        raise StoreError(f"{path}: a SQLite file of another program; name another store")
    version: int = raw.execute("PRAGMA user_version").fetchone()[0]
    return version


def _apply(raw: sqlite3.Connection, version: int, script: str) -> None:
    """One step and its record, in one transaction."""
    raw.execute("BEGIN IMMEDIATE")
    try:
        for statement in split_statements(script):
            raw.execute(statement)
        raw.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        raw.execute(f"PRAGMA user_version = {version}")
    except sqlite3.Error:
        raw.execute("ROLLBACK")
        raise
    raw.execute("COMMIT")


def split_statements(script: str) -> list[str]:
    """The statements of a script (`executescript` would commit behind our back)."""
    statements, pending = [], ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            statements.append(pending.strip())
            pending = ""
    return statements
