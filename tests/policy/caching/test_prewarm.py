"""When a prefix is written ahead, and by which request."""

from __future__ import annotations

from typing import Any

import pytest

from claudeflow.policy.caching.prewarm import LEAD_MS, is_time, prewarm_body

MARK = {"type": "ephemeral"}
SYSTEM = [{"type": "text", "text": "You sort tickets.", "cache_control": MARK}]
TOOLS = [{"name": "sort", "input_schema": {"type": "object"}, "cache_control": MARK}]


def a_body(**changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": "claude-haiku-5-5",
        "max_tokens": 300,
        "system": SYSTEM,
        "messages": [{"role": "user", "content": "Ticket 7: the VPN drops."}],
    }
    return {name: value for name, value in (body | changes).items() if value is not None}


@pytest.mark.parametrize(
    ("opens_ms", "now_ms", "time"),
    [
        (100_000, 100_000 - LEAD_MS, True),
        (100_000, 99_999, True),
        (100_000, 100_000 - LEAD_MS - 1, False),
        (100_000, 100_000, False),
        (100_000, 100_001, False),
        (None, 0, False),
    ],
)
def test_it_is_time_shortly_before_the_opening(opens_ms: int | None, now_ms: int, time: bool) -> None:
    assert is_time(opens_ms, now_ms) is time


def test_what_is_marked_stays_byte_for_byte_and_the_message_goes() -> None:
    body = a_body(tools=TOOLS, metadata={"user_id": "7"}, speed="fast")
    warmed = prewarm_body(body)
    assert warmed is not None
    assert (warmed["system"], warmed["tools"], warmed["max_tokens"]) == (SYSTEM, TOOLS, 0)
    assert (warmed["metadata"], warmed["speed"]) == ({"user_id": "7"}, "fast")
    assert "VPN" not in str(warmed)


def test_what_belongs_to_the_answer_is_left_out() -> None:
    warmed = prewarm_body(a_body(stream=True, stop_sequences=["END"], diagnostics={}))
    assert warmed is not None
    assert not {"stream", "stop_sequences", "diagnostics"} & warmed.keys()


@pytest.mark.parametrize(
    "changes",
    [
        {"system": "You sort tickets."},
        {"system": None},
        {"system": [{"type": "text", "text": "You sort tickets."}]},
        {"system": "You sort.", "messages": [{"role": "user", "content": SYSTEM}]},
        {"cache_control": MARK},
        {"thinking": {"type": "enabled", "budget_tokens": 2_000}},
        {"thinking": {"type": "adaptive"}},
        {"output_config": {"format": {"type": "json_schema", "schema": {}}}},
        {"tool_choice": {"type": "any"}},
        {"tool_choice": {"type": "tool", "name": "sort"}},
    ],
)
def test_nothing_is_sent_where_nothing_is_marked_or_the_api_would_refuse(changes: dict[str, Any]) -> None:
    assert prewarm_body(a_body(**changes)) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"thinking": {"type": "disabled"}},
        {"output_config": {"effort": "low"}},
        {"tool_choice": {"type": "auto"}},
        {"tool_choice": {"type": "none"}},
        {"system": None, "tools": TOOLS},
    ],
)
def test_what_the_api_takes_is_sent(changes: dict[str, Any]) -> None:
    warmed = prewarm_body(a_body(**changes))
    assert warmed is not None
    kept = {name: value for name, value in changes.items() if value is not None}
    assert kept.items() <= dict(warmed).items()
