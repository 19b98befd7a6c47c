"""A store of the current version, open."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.store.builders import a_connection
from tests.support.books import submitters_amiss


@pytest.fixture
def raw(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """The bare connection of a fresh store: what each store function is given."""
    connection = a_connection(tmp_path / "claudeflow.db")
    yield connection
    assert submitters_amiss(connection) == []
    connection.close()
