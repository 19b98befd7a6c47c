"""A store of the current version, open."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.store.builders import a_connection


@pytest.fixture
def raw(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """The bare connection of a fresh store: what each store function is given."""
    connection = a_connection(tmp_path / "claudeflow.db")
    yield connection
    connection.close()
