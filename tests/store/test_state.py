"""Holds and what was learned outlive the process."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

from claudeflow.domain.hold import EVERYTHING, Hold, HoldCause, Scope, ScopeKind
from claudeflow.store.state import drop_hold, holds, put_hold, recall, remember
from tests.store.builders import NOW_MS

ON_MODEL = Scope(ScopeKind.MODEL, "vendor:model-x")
FIRST = Hold(EVERYTHING, HoldCause.CREDIT, "no credit", since_ms=5, probe_at_ms=10)
SECOND = Hold(ON_MODEL, HoldCause.PERMISSION, "no access", since_ms=7)


def test_holds_come_back_as_they_were_the_oldest_first(raw: sqlite3.Connection) -> None:
    for hold in (SECOND, FIRST):
        put_hold(raw, hold)
    assert holds(raw) == [FIRST, SECOND]


def test_a_scope_has_one_hold_that_keeps_its_beginning(raw: sqlite3.Connection) -> None:
    put_hold(raw, FIRST)
    put_hold(raw, replace(FIRST, reason="still none", since_ms=99, probe_at_ms=50))
    assert holds(raw) == [replace(FIRST, reason="still none", probe_at_ms=50)]


def test_a_dropped_hold_is_gone_and_dropping_it_again_is_no_mistake(raw: sqlite3.Connection) -> None:
    put_hold(raw, FIRST)
    put_hold(raw, SECOND)
    for _ in range(2):
        drop_hold(raw, EVERYTHING)
    assert holds(raw) == [SECOND]


def test_the_newest_of_what_was_learned_is_recalled(raw: sqlite3.Connection) -> None:
    assert recall(raw) == {}
    remember(raw, "pool:p", {"theta": 0.5}, NOW_MS)
    remember(raw, "pool:p", {"theta": 0.7, "limits": {"requests": 50.0}}, NOW_MS + 1)
    remember(raw, "estimates", [["w", "m", None, 0.25, 90.0]], NOW_MS)
    assert recall(raw) == {
        "pool:p": {"theta": 0.7, "limits": {"requests": 50.0}},
        "estimates": [["w", "m", None, 0.25, 90.0]],
    }
