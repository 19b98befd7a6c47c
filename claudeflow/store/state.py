"""What was learned, and outlives the process."""

from __future__ import annotations

import sqlite3
from typing import Any

import orjson

from claudeflow.store.statements import SQL


def remember(raw: sqlite3.Connection, name: str, value: Any, now_ms: int) -> None:
    """Keep something learned."""
    raw.execute(SQL.put_memory, {"name": name, "value": orjson.dumps(value).decode(), "now_ms": now_ms})


def recall(raw: sqlite3.Connection) -> dict[str, Any]:
    """Everything learned, by name."""
    return {name: orjson.loads(value) for name, value in raw.execute(SQL.memory)}
