"""What was learned outlives the process."""

from __future__ import annotations

import sqlite3

from claudeflow.store.state import recall, remember
from tests.store.builders import NOW_MS


def test_the_newest_of_what_was_learned_is_recalled(raw: sqlite3.Connection) -> None:
    assert recall(raw) == {}
    remember(raw, "pool:p", {"theta": 0.5}, NOW_MS)
    remember(raw, "pool:p", {"theta": 0.7, "limits": {"requests": 50.0}}, NOW_MS + 1)
    remember(raw, "estimates", [["w", "m", None, 0.25, 90.0]], NOW_MS)
    assert recall(raw) == {
        "pool:p": {"theta": 0.7, "limits": {"requests": 50.0}},
        "estimates": [["w", "m", None, 0.25, 90.0]],
    }
