"""Cache diagnostics: what the twin says about the first difference to an earlier request."""

from __future__ import annotations

from typing import Any

import anthropic
import pytest

from claudeflow.twin.engine import Twin
from tests.twin.builders import a_body, a_call, a_client, a_twin, json_of, text_block

SYSTEM = [text_block(4_000, ttl="5m")]
TOOL = {"name": "look_up", "description": "Looks up a rule.", "input_schema": {"type": "object"}}
QUESTION = {"role": "user", "content": "What does FW-4711 open?"}
MARKED = {"type": "text", "text": QUESTION["content"], "cache_control": {"type": "ephemeral"}}
ANSWERED = [QUESTION, {"role": "assistant", "content": "Port 443."}, {"role": "user", "content": "To whom?"}]
FIRST: dict[str, Any] = {"system": SYSTEM, "tools": [TOOL], "messages": [QUESTION]}


async def asked(twin: Twin, **changes: Any) -> Any:
    """The message that answers a request."""
    return json_of(await twin.handle(a_call(**changes)))


async def compared(**changes: Any) -> dict[str, Any] | None:
    """The diagnostics of a request that differs from an earlier one by `changes`."""
    twin = a_twin()
    first = await asked(twin, **FIRST, diagnostics={"previous_message_id": None})
    later = await asked(twin, **{**FIRST, **changes}, diagnostics={"previous_message_id": first["id"]})
    told: dict[str, Any] | None = later["diagnostics"]
    return told


@pytest.mark.parametrize(
    ("changes", "type_"),
    [
        ({"model": "claude-opus-4-8"}, "model_changed"),
        ({"speed": "fast"}, "model_changed"),
        ({"tools": [{**TOOL, "description": "Looks up a rule by id."}]}, "tools_changed"),
        ({"tools": None}, "tools_changed"),
        ({"system": [text_block(4_000, ttl="5m", fill="Policy ")]}, "system_changed"),
        ({"messages": [{"role": "user", "content": "What does FW-4712 open?"}]}, "messages_changed"),
    ],
)
async def test_what_changed_first_is_named_with_what_was_missed(changes: dict[str, Any], type_: str) -> None:
    told = await compared(**changes)
    assert told is not None
    assert told["cache_miss_reason"]["type"] == type_
    assert told["cache_miss_reason"]["cache_missed_input_tokens"] > 0


async def test_the_later_the_change_the_less_is_missed() -> None:
    missed = [
        (await compared(**changes) or {})["cache_miss_reason"]["cache_missed_input_tokens"]
        for changes in (
            {"tools": None},
            {"system": "other"},
            {"messages": [{"role": "user", "content": "other"}]},
        )
    ]
    assert missed == sorted(missed, reverse=True)
    assert len(set(missed)) == 3


async def test_other_parameters_that_matter_make_it_unavailable() -> None:
    assert await compared(tool_choice={"type": "auto"}) == {"cache_miss_reason": {"type": "unavailable"}}


@pytest.mark.parametrize(
    "changes",
    [
        {"messages": ANSWERED},
        {"system": [text_block(4_000)]},
        {"system": text_block(4_000)["text"]},
        {"messages": [{**QUESTION, "content": [MARKED]}]},
        {"max_tokens": 17},
    ],
    ids=["appended", "marker moved", "one text", "marked message", "shorter answer"],
)
async def test_nothing_is_told_when_the_prefix_is_the_same(changes: dict[str, Any]) -> None:
    assert await compared(**changes) is None


async def test_a_message_that_left_no_fingerprint_is_not_found() -> None:
    twin = a_twin()
    silent = await asked(twin, **FIRST)
    assert silent["diagnostics"] is None
    later = await asked(twin, **FIRST, diagnostics={"previous_message_id": silent["id"]})
    assert later["diagnostics"] == {"cache_miss_reason": {"type": "previous_message_not_found"}}


async def test_fingerprints_belong_to_a_workspace() -> None:
    twin = a_twin()
    first = await asked(twin, **FIRST, diagnostics={"previous_message_id": None})
    headers = {"x-api-key": "k", "anthropic-version": "2023-06-01", "anthropic-workspace-id": "wrkspc_other"}
    later = await asked(twin, headers=headers, **FIRST, diagnostics={"previous_message_id": first["id"]})
    assert later["diagnostics"]["cache_miss_reason"]["type"] == "previous_message_not_found"


async def test_asking_changes_neither_the_answer_nor_the_bill() -> None:
    twin = a_twin()
    plain = await asked(twin, **FIRST)
    twin.reset()
    probed = await asked(twin, **FIRST, diagnostics={"previous_message_id": None})
    assert (probed["content"], probed["usage"]) == (plain["content"], plain["usage"])


@pytest.mark.parametrize("wish", ["msg_1", {"previous_message_id": 1}, {"previous": None}])
async def test_malformed_diagnostics_are_refused_and_cost_nothing(wish: Any) -> None:
    twin = a_twin()
    answer = await twin.handle(a_call(diagnostics=wish))
    assert answer.status == 400
    assert "diagnostics" in json_of(answer)["error"]["message"]
    assert not twin.invoice().lines


@pytest.mark.parametrize("tokens_per_s", [0.0, 80.0])
async def test_the_sdk_reads_them_streamed_or_not(tokens_per_s: float) -> None:
    body = {**a_body(**FIRST), "diagnostics": {"previous_message_id": None}}
    async with a_client(a_twin(tokens_per_s=tokens_per_s)) as client:
        first = await client.messages.create(**body)
        body["system"] = "changed"
        body["diagnostics"] = {"previous_message_id": first.id}
        later = await client.messages.create(**body)
        async with client.messages.stream(**body) as stream:
            streamed = await stream.get_final_message()

    for message in (later, streamed):
        assert message.diagnostics is not None
        assert isinstance(message.diagnostics.cache_miss_reason, anthropic.types.CacheMissSystemChanged)
