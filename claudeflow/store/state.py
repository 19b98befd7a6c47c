"""State that outlives the process: holds, and what was learned."""

from __future__ import annotations

import sqlite3
from typing import Any

import orjson

from claudeflow.domain.hold import Hold, HoldCause, Scope, ScopeKind
from claudeflow.store.statements import SQL


def put_hold(raw: sqlite3.Connection, hold: Hold) -> None:
    """Keep a hold; one per scope."""
    raw.execute(
        SQL.put_hold,
        {
            "scope": str(hold.scope),
            "cause": hold.cause,
            "reason": hold.reason,
            "since_ms": hold.since_ms,
            "probe_at_ms": hold.probe_at_ms,
        },
    )


def drop_hold(raw: sqlite3.Connection, scope: Scope) -> None:
    """Forget a hold."""
    raw.execute(SQL.drop_hold, {"scope": str(scope)})


def holds(raw: sqlite3.Connection) -> list[Hold]:
    """Every hold, the oldest first."""
    return [
        Hold(_scope(scope), HoldCause(cause), reason, since_ms, probe_at_ms)
        for scope, cause, reason, since_ms, probe_at_ms in raw.execute(SQL.holds)
    ]


def _scope(text: str) -> Scope:
    kind, _, name = text.partition(":")
    return Scope(ScopeKind(kind), name)


def remember(raw: sqlite3.Connection, name: str, value: Any, now_ms: int) -> None:
    """Keep something learned."""
    raw.execute(SQL.put_memory, {"name": name, "value": orjson.dumps(value).decode(), "now_ms": now_ms})


def recall(raw: sqlite3.Connection) -> dict[str, Any]:
    """Everything learned, by name."""
    return {name: orjson.loads(value) for name, value in raw.execute(SQL.memory)}
