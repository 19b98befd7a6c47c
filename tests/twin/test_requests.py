from __future__ import annotations

from typing import Any

import pytest

from claudeflow.twin.errors import ApiError
from claudeflow.twin.request import read_body, read_request
from claudeflow.twin.wire import HttpCall
from tests.twin.builders import HEADERS, a_body, a_call, a_request, a_twin, headers_of, json_of

NEWEST = {**HEADERS, "anthropic-version": "2026-10-21"}
USER = {"role": "user", "content": "hello"}
PREFILL = [USER, {"role": "assistant", "content": "{"}]
TOOL = {"name": "look", "input_schema": {"type": "object"}}


def rejected(headers: dict[str, str] | None = None, **changes: Any) -> tuple[int, str]:
    with pytest.raises(ApiError) as caught:
        read_request(a_body(**changes), HEADERS if headers is None else headers)
    return caught.value.status, caught.value.message


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"max_tokens": None}, "max_tokens: Field required"),
        ({"max_tokens": -1}, "greater than or equal to 0"),
        ({"max_tokens": 128_001}, "maximum allowed number of output tokens"),
        ({"messages": None}, "messages: Field required"),
        ({"messages": []}, "at least one message"),
        ({"messages": ["hello"]}, "messages.0: Input does not match the expected shape."),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": ""}]}, "non-empty content"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages.0.content.0.text"),
        ({"messages": PREFILL}, "prefill"),
        ({"thinking": {"type": "wild"}}, "thinking.type"),
        ({"thinking": {"type": "enabled", "budget_tokens": 100}}, "greater than or equal to 1024"),
        ({"thinking": {"type": "enabled", "budget_tokens": 2_000}}, "must be greater than"),
        ({"model": "claude-opus-5-5", "thinking": {"type": "disabled"}}, "not supported for this model"),
        (
            {"model": "claude-haiku-5-5", "thinking": {"type": "enabled", "budget_tokens": 1024}},
            "not supported",
        ),
        ({"model": "claude-sonnet-5-5", "tools": [TOOL], "tool_choice": {"type": "any"}}, "forcing a tool"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "other"}}, "'other' not found"),
        ({"model": "claude-haiku-4-5", "inference_geo": "us"}, "inference_geo"),
        ({"model": "claude-sonnet-5", "speed": "fast"}, "speed"),
        ({"output_config": {"format": {"type": "text"}}}, "json_schema"),
        ({"max_tokens": 0, "stream": True}, "cannot be combined with stream"),
        ({"max_tokens": 0, "thinking": {"type": "adaptive"}}, "cannot be combined with thinking"),
    ],
)
def test_a_wrong_request_is_a_400_that_names_the_field(changes: dict[str, Any], complaint: str) -> None:
    status, message = rejected(**changes)
    assert status == 400
    assert complaint in message


@pytest.mark.parametrize("name", ["claude-2", "claude-sonnet-4-20250514", "claude-3-5-haiku-20241022"])
def test_unknown_and_retired_models_are_not_found(name: str) -> None:
    assert rejected(model=name) == (404, f"model: {name}")


def test_prefill_is_accepted_by_models_before_4_6() -> None:
    assert a_request(model="claude-haiku-4-5", messages=PREFILL).model.takes_prefill


def test_sampling_parameters_are_rejected_since_the_newest_version_only() -> None:
    for name in ("temperature", "top_p", "top_k"):
        assert rejected(NEWEST, **{name: 1})[1].startswith(name)
        assert read_request(a_body(**{name: 1}), HEADERS).max_tokens == 1_000


@pytest.mark.parametrize("version", [None, "2025-01-01"])
def test_the_version_header_must_be_there_and_known(version: str | None) -> None:
    headers = {"x-api-key": "k"} | ({"anthropic-version": version} if version else {})
    assert rejected(headers)[0] == 400


@pytest.mark.parametrize(("raw", "status"), [(b"{", 400), (b"[]", 400), (b" " * (32 * 1024 * 1024 + 1), 413)])
def test_a_body_must_be_a_json_object_of_at_most_32_mb(raw: bytes, status: int) -> None:
    with pytest.raises(ApiError) as caught:
        read_body(raw)
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("headers", "keys", "status"),
    [
        ({"x-api-key": "a"}, (), 200),
        ({"authorization": "Bearer a"}, (), 200),
        ({"authorization": "Bearer a"}, ("a", "b"), 200),
        ({"x-api-key": "c"}, ("a", "b"), 401),
        ({"authorization": "Basic a"}, (), 401),
        ({}, (), 401),
    ],
)
async def test_a_key_comes_in_either_header(
    headers: dict[str, str], keys: tuple[str, ...], status: int
) -> None:
    answer = await a_twin(keys=keys).handle(a_call(headers={"anthropic-version": "2023-06-01", **headers}))
    assert answer.status == status


async def test_unknown_paths_and_methods_are_refused() -> None:
    twin = a_twin()
    assert (await twin.handle(a_call("/v1/nothing"))).status == 404
    assert (await twin.handle(HttpCall("GET", "/v1/messages", "", HEADERS, b""))).status == 405


async def test_a_prompt_beyond_the_window_is_too_long() -> None:
    words = [{"role": "user", "content": "x" * 3_000_000}]
    answer = await a_twin().handle(a_call(messages=words))
    assert answer.status == 400
    assert json_of(answer)["error"]["message"].startswith("prompt is too long: ")


async def test_an_alias_is_answered_with_the_dated_id() -> None:
    assert (
        json_of(await a_twin().handle(a_call(model="claude-haiku-4-5")))["model"]
        == "claude-haiku-4-5-20251001"
    )


async def test_token_counting_counts_what_a_message_is_charged_for_and_has_its_own_limit() -> None:
    twin = a_twin(tier="evaluation")
    counted = json_of(await twin.handle(a_call("/v1/messages/count_tokens")))["input_tokens"]
    charged = json_of(await twin.handle(a_call()))["usage"]["input_tokens"]
    assert counted == charged
    for _ in range(99):
        await twin.handle(a_call("/v1/messages/count_tokens"))

    refused = await twin.handle(a_call("/v1/messages/count_tokens"))

    assert refused.status == 429
    assert "retry-after" in headers_of(refused)
    assert twin.stats().calls == 1


async def test_models_are_listed_in_pages_and_one_by_one() -> None:
    twin = a_twin()
    first = json_of(await twin.handle(a_call("/v1/models?limit=2", method="GET")))
    second = json_of(
        await twin.handle(a_call(f"/v1/models?limit=1000&after_id={first['last_id']}", method="GET"))
    )
    one = json_of(await twin.handle(a_call("/v1/models/claude-sonnet-4-5", method="GET")))

    assert (len(first["data"]), first["has_more"], second["has_more"]) == (2, True, False)
    assert {"claude-opus-5", one["id"]} <= {model["id"] for model in second["data"]}
    assert (one["lifecycle"], one["retires_at"]) == ("deprecated", "2026-11-30T00:00:00Z")
    assert (await twin.handle(a_call("/v1/models?limit=0", method="GET"))).status == 400
    assert (await twin.handle(a_call("/v1/models/claude-2", method="GET"))).status == 404


async def test_fast_mode_has_limits_and_headers_of_its_own() -> None:
    twin = a_twin(rpm=1)
    assert (await twin.handle(a_call())).status == 200
    answer = await twin.handle(a_call(speed="fast"))

    assert json_of(answer)["usage"]["speed"] == "fast"
    names = [name for name in headers_of(answer) if name.startswith("anthropic-")]
    assert "anthropic-fast-input-tokens-remaining" in names
    assert not any("ratelimit" in name for name in names)
