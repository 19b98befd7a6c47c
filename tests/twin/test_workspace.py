"""Limits of a workspace below those of its organisation, Priority Tier and fast mode: who shows up where."""

from __future__ import annotations

from typing import Any

import pytest

from claudeflow.twin.changes import Change
from claudeflow.twin.engine import Twin
from claudeflow.twin.settings import TwinSettings
from tests.twin.builders import WoundClock, a_call, a_twin, headers_of, json_of

LONG = [{"role": "user", "content": "word " * 20_000}]


def told(headers: dict[str, str], family: str) -> tuple[int, int]:
    """Limit and what remains of it."""
    return int(headers[f"{family}-limit"]), int(headers[f"{family}-remaining"])


async def headers_after_a_long_call(twin: Twin, **changes: Any) -> dict[str, str]:
    return headers_of(await twin.handle(a_call(messages=LONG, max_tokens=1, **changes)))


async def test_a_workspace_is_refused_at_its_own_limit_which_the_error_names() -> None:
    twin = a_twin(workspace_rpm=2)
    statuses = [(await twin.handle(a_call())).status for _ in range(2)]
    refused = await twin.handle(a_call())

    assert (statuses, refused.status) == ([200, 200], 429)
    assert "your workspace's rate limit of 2 requests per minute" in json_of(refused)["error"]["message"]
    assert headers_of(refused)["retry-after"] == "30"
    assert twin.meters().pools["opus-5"].refused == {"workspace_requests": 1}


async def test_others_in_the_organisation_do_not_draw_on_the_workspace() -> None:
    twin = a_twin(workspace_rpm=2)
    twin.consume("claude-opus-5", requests=500)
    assert (await twin.handle(a_call())).status == 200


@pytest.mark.parametrize(
    ("limits", "dimension"),
    [
        ({"workspace_itpm": 20_000}, "20,000 input tokens"),
        ({"workspace_otpm": 100}, "100 output tokens"),
        ({"workspace_tpm": 20_000}, "20,000 tokens"),
    ],
)
async def test_each_token_limit_of_a_workspace_binds(limits: dict[str, Any], dimension: str) -> None:
    twin = a_twin(**limits)
    assert (await twin.handle(a_call(messages=LONG))).status == 200
    refused = await twin.handle(a_call())
    assert refused.status == 429
    assert f"workspace's rate limit of {dimension} per minute" in json_of(refused)["error"]["message"]


async def test_the_combined_limit_is_charged_for_input_and_output_together() -> None:
    twin = a_twin(workspace_tpm=60_000)
    answer = await twin.handle(a_call(messages=LONG))
    usage = json_of(answer)["usage"]
    left = 60_000 - usage["input_tokens"] - usage["output_tokens"]
    assert told(headers_of(answer), "anthropic-ratelimit-tokens") == (60_000, round(left, -3))


async def test_only_the_combined_family_tells_of_a_tighter_workspace() -> None:
    headers = await headers_after_a_long_call(a_twin(workspace_itpm=60_000, workspace_rpm=10))
    assert told(headers, "anthropic-ratelimit-requests") == (1_000, 999)
    assert told(headers, "anthropic-ratelimit-input-tokens")[0] == 2_000_000
    assert told(headers, "anthropic-ratelimit-tokens")[0] == 60_000 + 400_000


async def test_every_family_can_tell_of_a_tighter_workspace() -> None:
    twin = a_twin(workspace_itpm=60_000, workspace_rpm=10, workspace_headers="every")
    headers = await headers_after_a_long_call(twin)
    assert told(headers, "anthropic-ratelimit-requests") == (10, 9)
    assert told(headers, "anthropic-ratelimit-input-tokens")[0] == 60_000
    assert told(headers, "anthropic-ratelimit-output-tokens")[0] == 400_000


async def test_a_workspace_that_does_not_bind_shows_nowhere() -> None:
    headers = await headers_after_a_long_call(a_twin(workspace_tpm=9_000_000, workspace_headers="every"))
    assert told(headers, "anthropic-ratelimit-tokens")[0] == 2_400_000


async def test_workspace_limits_come_and_change_while_the_twin_runs() -> None:
    clock = WoundClock()
    changes = (
        Change(60, scope="workspace", rpm=4),
        Change(120, scope="workspace", factor=0.5),
        Change(120, scope="workspace", tpm=50_000),
    )
    twin = a_twin(clock, changes=changes)
    twin.start()

    async def served(calls: int) -> int:
        clock.advance(60)
        return [(await twin.handle(a_call(max_tokens=1))).status for _ in range(calls)].count(200)

    assert [await served(6), await served(6)] == [4, 2]


def test_wrong_settings_are_named() -> None:
    with pytest.raises(ValueError, match="workspace_headers 'some' is unknown; allowed: tokens, every"):
        TwinSettings(workspace_headers="some")
    with pytest.raises(ValueError, match="workspace_tpm must be above 0"):
        TwinSettings(workspace_tpm=0)
    with pytest.raises(ValueError, match="give both or neither"):
        TwinSettings(priority_itpm=5)


def a_committed_twin(clock: WoundClock | None = None) -> Twin:
    return a_twin(clock, priority_itpm=30_000, priority_otpm=10_000)


def is_priority(name: str) -> bool:
    return name.startswith("anthropic-priority-")


async def test_a_commitment_serves_calls_first_and_shows_in_usage_and_headers() -> None:
    twin = a_committed_twin()
    answer = await twin.handle(a_call(model="claude-opus-4-8", max_tokens=10))
    headers = headers_of(answer)

    assert json_of(answer)["usage"]["service_tier"] == "priority"
    assert told(headers, "anthropic-priority-input-tokens") == (30_000, 30_000)
    assert told(headers, "anthropic-priority-output-tokens") == (10_000, 10_000)
    assert len([name for name in headers if is_priority(name)]) == 6
    assert told(headers, "anthropic-ratelimit-requests") == (1_000, 999)


async def test_beyond_a_commitment_calls_are_standard_but_its_headers_still_tell() -> None:
    clock = WoundClock()
    twin = a_committed_twin(clock)
    first = await twin.handle(a_call(model="claude-opus-4-8", messages=LONG))
    second = await twin.handle(a_call(model="claude-opus-4-8"))
    clock.advance(60)
    third = await twin.handle(a_call(model="claude-opus-4-8"))

    tiers = [json_of(answer)["usage"]["service_tier"] for answer in (first, second, third)]
    assert tiers == ["priority", "standard", "priority"]
    assert told(headers_of(second), "anthropic-priority-input-tokens") == (30_000, 0)


@pytest.mark.parametrize(
    "changes",
    [{"model": "claude-opus-5"}, {"model": "claude-opus-4-8", "service_tier": "standard_only"}],
    ids=["newest models have none", "not wanted"],
)
async def test_calls_without_priority_have_none_of_its_headers(changes: dict[str, Any]) -> None:
    answer = await a_committed_twin().handle(a_call(**changes))
    assert json_of(answer)["usage"]["service_tier"] == "standard"
    assert not [name for name in headers_of(answer) if is_priority(name)]


async def test_reading_from_the_cache_burns_a_tenth_of_a_commitment() -> None:
    clock = WoundClock()
    twin = a_twin(clock, priority_itpm=60_000, priority_otpm=60_000)
    system = [{"type": "text", "text": "policy " * 15_000, "cache_control": {"type": "ephemeral"}}]
    lefts = []
    for _ in range(2):
        answer = await twin.handle(a_call(model="claude-opus-4-8", system=system, max_tokens=1))
        lefts.append(told(headers_of(answer), "anthropic-priority-input-tokens")[1])
        clock.advance(60)
    size = json_of(answer)["usage"]["cache_read_input_tokens"]
    assert lefts == [max(0, round(60_000 - 1.25 * size, -3)), round(60_000 - 0.1 * size, -3)]


async def test_a_refusal_of_fast_mode_has_the_headers_of_fast_mode() -> None:
    twin = a_twin(rpm=1)
    await twin.handle(a_call(speed="fast"))
    refused = await twin.handle(a_call(speed="fast"))

    names = [name for name in headers_of(refused) if name.endswith("-remaining")]
    assert refused.status == 429
    assert names == ["anthropic-fast-input-tokens-remaining", "anthropic-fast-output-tokens-remaining"]
