"""What the API says of a cache miss, read from its message: plain and streamed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from claudeflow.claude.diagnostics import read_cache_miss
from claudeflow.domain.attempt import CacheMiss
from tests.claude.calls import a_client, a_request, reply_to
from tests.support.scripted import (
    ScriptedTransport,
    a_message,
    event,
    json_answer,
    message_end,
    stream_answer,
    text_block,
)

CHANGED = {"cache_miss_reason": {"type": "system_changed", "cache_missed_input_tokens": 4_321}}


@pytest.mark.parametrize(
    ("diagnostics", "miss"),
    [
        (CHANGED, CacheMiss("system_changed", 4_321)),
        ({"cache_miss_reason": {"type": "unavailable"}}, CacheMiss("unavailable")),
        ({"cache_miss_reason": {"type": "something_new"}}, CacheMiss("something_new")),
        ({"cache_miss_reason": None}, CacheMiss("pending")),
        ({"cache_miss_reason": {"type": "model_changed", "cache_missed_input_tokens": "many"}},
         CacheMiss("model_changed")),
        (None, None),
        ({}, None),
        ({"cache_miss_reason": "system_changed"}, None),
        ({"cache_miss_reason": {"type": 7}}, None),
        ("odd", None),
    ],
)  # fmt: skip
def test_every_shape_of_diagnostics_is_read(diagnostics: Any, miss: CacheMiss | None) -> None:
    assert read_cache_miss(a_message(diagnostics=diagnostics)) == miss


async def test_a_plain_answer_tells_why_a_prefix_was_missed() -> None:
    reply = await reply_to(json_answer(a_message(diagnostics=CHANGED)))
    assert reply.cache_miss == CacheMiss("system_changed", 4_321)


async def test_a_streamed_answer_tells_it_too() -> None:
    start = event("message_start", message=a_message("", stop_reason=None, diagnostics=CHANGED))
    answer = stream_answer(start, text_block("Hello"), message_end())
    reply = await reply_to(answer, a_request(stream=True))
    assert reply.cache_miss == CacheMiss("system_changed", 4_321)


async def test_nothing_is_told_when_nothing_was_asked() -> None:
    assert (await reply_to(json_answer(a_message()))).cache_miss is None


async def test_the_question_goes_over_the_wire_as_it_is() -> None:
    transport = ScriptedTransport(json_answer(a_message()))
    client = a_client(transport)
    await client.send(a_request(diagnostics={"previous_message_id": "msg_0"}))
    await client.aclose()
    [request] = transport.requests
    assert json.loads(request.content)["diagnostics"] == {"previous_message_id": "msg_0"}
