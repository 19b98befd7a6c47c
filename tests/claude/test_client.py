"""The real SDK over a scripted other side: what is sent, and what becomes of what comes back."""

from __future__ import annotations

import asyncio
import json
import logging

import httpx2
import orjson
import pytest

from claudeflow.domain.attempt import (
    Blocked,
    Overloaded,
    Rejected,
    Reply,
    Succeeded,
    Throttled,
    ThrottleKind,
    Transient,
)
from claudeflow.domain.hold import HoldCause
from claudeflow.domain.prompt import Request
from claudeflow.domain.quota import AxisReading
from claudeflow.domain.usage import Usage
from tests.claude.calls import BODY, a_client, a_request, reply_to
from tests.support.scripted import (
    RESPONSE_HEADERS,
    Answer,
    EndlessPings,
    ScriptedTransport,
    Silence,
    a_message,
    error_answer,
    error_body,
    event,
    json_answer,
    message_end,
    message_start,
    stream_answer,
    text_block,
)

LIMIT_HEADERS = {
    "anthropic_ratelimit_requests_limit": "50",
    "anthropic_ratelimit_requests_remaining": "0",
    "anthropic_ratelimit_requests_reset": "2026-11-22T10:00:20Z",
}
ANSWERED_WHOLE = stream_answer(message_start(), text_block("Hello ", "there"), message_end())


def failure_type(reply: Reply) -> str:
    assert isinstance(reply.outcome, Transient)
    return reply.outcome.error.type


async def test_a_message_is_a_success_with_its_usage_and_its_bytes() -> None:
    reply = await reply_to(json_answer(a_message(), status=200, **LIMIT_HEADERS))
    assert reply.outcome == Succeeded("end_turn")
    assert reply.usage == Usage(input_tokens=12, output_tokens=5)
    assert json.loads(reply.raw_usage) == a_message()["usage"]
    assert json.loads(reply.message or b"") == a_message()
    assert (reply.request_id, reply.http_status, reply.model) == ("req_1", 200, "claude-haiku-5-5")
    assert reply.reading is not None
    assert reply.reading.requests == AxisReading(limit=50, remaining=0, full_in_s=20.0)
    assert reply.usage_known
    assert reply.first_byte_s is not None


async def test_the_body_goes_out_unchanged_with_fields_that_nobody_knows_yet() -> None:
    transport = ScriptedTransport(json_answer(a_message()))
    body = {**BODY, "new_field": {"deep": [1, None, "ü"]}, "temperature": 0.5}
    await a_client(transport).send(Request(body))
    assert transport.bodies() == [body]
    sent = transport.requests[0]
    assert sent.url == "http://api.test/v1/messages"
    assert sent.headers["anthropic-version"] == "2026-10-21"
    assert sent.headers["authorization"] == "Bearer sk-ant-test"


async def test_a_callers_own_stream_flag_does_not_decide_how_the_answer_is_read() -> None:
    transport = ScriptedTransport(json_answer(a_message()))
    await a_client(transport).send(Request({**BODY, "stream": True}))
    assert transport.bodies() == [BODY]


async def test_nothing_is_ever_sent_twice() -> None:
    transport = ScriptedTransport(error_answer(529, "overloaded_error"), json_answer(a_message()))
    reply = await a_client(transport).send(a_request())
    assert isinstance(reply.outcome, Overloaded)
    assert len(transport.requests) == 1


async def test_a_stream_gives_the_same_message_as_a_plain_call() -> None:
    starts: list[str] = []
    transport = ScriptedTransport(ANSWERED_WHOLE)
    reply = await a_client(transport).send(a_request(stream=True), on_start=lambda: starts.append("begun"))
    assert transport.bodies()[0]["stream"] is True
    assert json.loads(reply.message or b"") == a_message()
    assert reply.outcome == Succeeded("end_turn")
    assert reply.usage == Usage(input_tokens=12, output_tokens=5)
    assert reply.usage_known
    assert starts == ["begun"]


async def test_a_plain_call_tells_that_its_response_began() -> None:
    starts: list[str] = []
    await a_client(ScriptedTransport(json_answer(a_message()))).send(
        a_request(), on_start=lambda: starts.append("begun")
    )
    assert starts == ["begun"]


@pytest.mark.parametrize(
    "answer",
    [error_answer(500, "api_error"), stream_answer(event("error", **error_body("api_error")))],
    ids=["refused", "broken off"],
)
async def test_a_failed_call_never_began(answer: Answer) -> None:
    starts: list[str] = []
    client = a_client(ScriptedTransport(answer))
    await client.send(a_request(stream=True), on_start=lambda: starts.append("begun"))
    assert starts == []


async def test_a_long_answer_is_streamed_even_if_nobody_asked() -> None:
    transport = ScriptedTransport(ANSWERED_WHOLE)
    reply = await a_client(transport).send(a_request(max_tokens=64_000))
    assert transport.bodies()[0]["stream"] is True
    assert reply.outcome == Succeeded("end_turn")


async def test_an_answer_that_is_not_streamed_although_asked_for_is_taken_as_it_is() -> None:
    reply = await reply_to(json_answer(a_message()), a_request(stream=True))
    assert reply.outcome == Succeeded("end_turn")
    assert reply.usage_known


async def test_what_follows_the_end_of_the_message_changes_nothing() -> None:
    whole = [message_start(), text_block("Hello there"), message_end()]
    for late in (httpx2.ReadError("reset"), b"", event("ping")):
        reply = await reply_to(stream_answer(*whole, late), a_request(stream=True))
        assert reply.outcome == Succeeded("end_turn")
        assert reply.usage_known


async def test_a_stream_without_message_stop_is_a_failure_that_may_cost_something() -> None:
    reply = await reply_to(stream_answer(message_start(), text_block("Hel")), a_request(stream=True))
    assert failure_type(reply) == "truncated_stream"
    assert reply.message is None
    assert reply.usage == Usage(input_tokens=12, output_tokens=1)
    assert not reply.usage_known


async def test_a_stream_without_a_stop_reason_is_no_success() -> None:
    answer = stream_answer(message_start(), text_block("Hel"), message_end(stop_reason=None))
    reply = await reply_to(answer, a_request(stream=True))
    assert failure_type(reply) == "malformed_response"


async def test_a_reset_within_a_stream_keeps_the_usage_seen_so_far() -> None:
    answer = stream_answer(message_start(), text_block("Hel"), httpx2.ReadError("reset by peer"))
    reply = await reply_to(answer, a_request(stream=True))
    assert failure_type(reply) == "connection_error"
    assert reply.usage.input_tokens == 12
    assert not reply.usage_known
    assert reply.sent


async def test_pings_do_not_keep_a_dead_stream_alive() -> None:
    answer = stream_answer(message_start(), EndlessPings())
    reply = await reply_to(answer, a_request(stream=True), content_timeout_s=0.05)
    assert failure_type(reply) == "stalled_stream"
    assert not reply.usage_known


async def test_a_thinking_model_may_be_silent_longer_than_a_talking_one() -> None:
    thinking = event("content_block_start", index=0, content_block={"type": "thinking", "thinking": ""})
    answer = stream_answer(message_start(), thinking, EndlessPings())
    settings = {"content_timeout_s": 0.05, "attempt_timeout_s": 30.0, "stream_timeout_s": 0.2}
    reply = await reply_to(answer, a_request(stream=True), **settings)
    assert failure_type(reply) == "timeout"


@pytest.mark.parametrize(
    "answer", [Silence(), json_answer({}), stream_answer(message_start(), Silence())], ids=str
)
async def test_the_deadline_ends_a_call_that_hangs_anywhere(answer: Answer | Silence) -> None:
    hanging = (
        answer if isinstance(answer, Silence) else Answer((*answer.steps, Silence()), 200, answer.headers)
    )
    request = a_request(stream=isinstance(answer, Answer) and "event" in answer.headers["content-type"])
    reply = await reply_to(hanging, request, attempt_timeout_s=0.05, stream_timeout_s=0.05)
    assert failure_type(reply) == "timeout"
    assert reply.sent
    assert not reply.usage_known


async def test_an_error_inside_a_stream_counts_by_its_type() -> None:
    overloaded = event("error", **error_body("overloaded_error", "Overloaded"))
    before = await reply_to(stream_answer(overloaded), a_request(stream=True))
    assert isinstance(before.outcome, Overloaded)
    assert before.usage_known
    assert before.http_status == 200
    within = await reply_to(
        stream_answer(message_start(), text_block("Hel"), overloaded, **LIMIT_HEADERS), a_request(stream=True)
    )
    assert isinstance(within.outcome, Overloaded)
    assert within.usage.input_tokens == 12
    assert not within.usage_known
    assert within.reading is not None


@pytest.mark.parametrize(
    "garbage",
    [b"data: {oops\n\n", event("content_block_delta", index=7, delta={"type": "text_delta", "text": "x"})],
    ids=["no JSON", "a delta without its block"],
)
async def test_a_garbled_stream_is_worth_another_try(garbage: bytes) -> None:
    reply = await reply_to(stream_answer(message_start(), garbage, message_end()), a_request(stream=True))
    assert failure_type(reply) == "malformed_response"
    assert not reply.usage_known


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"type":"message","usage":7}', b"\xff"])
async def test_a_200_that_is_no_message_is_worth_another_try(body: bytes) -> None:
    answer = Answer((body,), 200, {**RESPONSE_HEADERS, "content-type": "application/json"})
    for stream in (False, True):
        reply = await reply_to(answer, a_request(stream=stream))
        assert isinstance(reply.outcome, Transient)
        assert not reply.usage_known


async def test_a_throttled_call_tells_for_how_long_and_what_the_buckets_said() -> None:
    reply = await reply_to(error_answer(429, "rate_limit_error", retry_after="17", **LIMIT_HEADERS))
    assert isinstance(reply.outcome, Throttled)
    assert (reply.outcome.kind, reply.outcome.retry_after_s) == (ThrottleKind.RATE, 17.0)
    assert reply.reading is not None
    assert reply.usage_known
    assert reply.usage == Usage()


async def test_errors_of_the_api_cost_nothing_but_pages_of_the_edge_may() -> None:
    from_the_api = await reply_to(error_answer(500, "api_error"))
    from_the_edge = await reply_to(Answer((b"<html>Bad gateway",), 502, RESPONSE_HEADERS))
    too_large = await reply_to(Answer((b"<html>Too large",), 413, RESPONSE_HEADERS))
    assert from_the_api.usage_known
    assert not from_the_edge.usage_known
    assert too_large.usage_known
    assert isinstance(too_large.outcome, Rejected)
    assert "html" not in too_large.outcome.error.message


@pytest.mark.parametrize(
    "failure", [httpx2.ConnectError("refused"), httpx2.ConnectTimeout("slow"), httpx2.PoolTimeout("full")]
)
async def test_a_call_that_never_got_a_connection_was_not_sent(failure: Exception) -> None:
    reply = await reply_to(failure)
    assert isinstance(reply.outcome, Transient)
    assert not reply.sent
    assert reply.usage_known


@pytest.mark.parametrize(
    "failure", [httpx2.ReadError("reset"), httpx2.RemoteProtocolError("gone"), httpx2.ReadTimeout("late")]
)
async def test_a_call_that_broke_later_may_have_been_billed(failure: Exception) -> None:
    reply = await reply_to(failure)
    assert isinstance(reply.outcome, Transient)
    assert reply.sent
    assert not reply.usage_known


async def test_a_message_without_usage_is_not_taken_for_free() -> None:
    reply = await reply_to(json_answer(a_message(usage={})))
    assert reply.outcome == Succeeded("end_turn")
    assert not reply.usage_known


async def test_money_gone_in_prose_only_holds_the_queue() -> None:
    credit = await reply_to(
        error_answer(400, "invalid_request_error", "Your credit balance is too low to access the API.")
    )
    assert isinstance(credit.outcome, Blocked)
    assert credit.outcome.cause is HoldCause.CREDIT
    other = await reply_to(error_answer(400, "invalid_request_error", "Nix da"), credit_phrases=("nix DA",))
    assert isinstance(other.outcome, Blocked)


async def test_an_answer_that_breaks_its_schema_is_rejected_and_still_paid_for() -> None:
    schema = {"type": "object", "required": ["label"]}
    reply = await reply_to(json_answer(a_message("{}")), a_request(schema=schema))
    assert isinstance(reply.outcome, Rejected)
    assert reply.outcome.error.type == "invalid_output"
    assert reply.message is not None
    assert reply.usage.output_tokens == 5


async def test_a_body_that_is_no_json_is_rejected_before_anything_is_sent() -> None:
    transport = ScriptedTransport()
    reply = await a_client(transport).send(a_request(odd=object()))
    assert isinstance(reply.outcome, Rejected)
    assert not reply.sent
    assert transport.requests == []


async def test_cancellation_is_not_swallowed() -> None:
    for request in (a_request(), a_request(stream=True)):
        client = a_client(ScriptedTransport(Silence()))
        call = asyncio.create_task(client.send(request))
        await asyncio.sleep(0.01)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call


async def test_a_deprecated_model_name_warns_nobody() -> None:
    reply = await reply_to(
        json_answer(a_message(model="claude-sonnet-4-5")), a_request(model="claude-sonnet-4-5")
    )
    assert reply.model == "claude-sonnet-4-5"


async def test_prompts_answers_and_keys_stay_out_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        await reply_to(json_answer(a_message("a secret answer")), a_request(system="a secret prompt"))
        await reply_to(error_answer(400, "invalid_request_error", "a secret detail"))
    assert "secret" not in caplog.text
    assert "sk-ant" not in caplog.text


async def test_a_key_in_an_error_does_not_reach_the_producer() -> None:
    reply = await reply_to(
        error_answer(401, "authentication_error", "bad key sk-ant-api03-abc_DEF-1 " + "x" * 999)
    )
    assert isinstance(reply.outcome, Blocked)
    assert "sk-ant" not in reply.outcome.error.message
    assert len(reply.outcome.error.message) <= 500


async def test_the_assembled_bytes_are_the_messages_json() -> None:
    reply = await reply_to(ANSWERED_WHOLE, a_request(stream=True))
    assert reply.message == orjson.dumps(json.loads(reply.message or b""))
