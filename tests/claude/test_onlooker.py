"""An onlooker sees a streamed answer as it comes, and the dialect of its caller goes out with the call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from claudeflow.domain.attempt import Overloaded, Rejected, Reply, Succeeded, Transient
from claudeflow.domain.job import Dialect
from claudeflow.domain.prompt import Request
from tests.claude.calls import a_client, a_request
from tests.support.scripted import (
    Answer,
    ScriptedTransport,
    a_message,
    event,
    json_answer,
    message_end,
    message_start,
    stream_answer,
    text_block,
)

WHOLE = message_start() + event("ping") + text_block("Hello") + message_end()
ERROR = event("error", error={"type": "overloaded_error", "message": "Overloaded"})


class Onlooker:
    """Keeps what it sees."""

    def __init__(self) -> None:
        self.headers: Mapping[str, str] = {}
        self.seen = b""

    def begins(self, headers: Mapping[str, str]) -> None:
        self.headers = headers

    def passes(self, events: bytes) -> None:
        self.seen += events


async def watched(answer: Answer, request: Request) -> tuple[Onlooker, Reply]:
    onlooker, client = Onlooker(), a_client(ScriptedTransport(answer))
    reply = await client.send(request, onlooker=onlooker)
    await client.aclose()
    return onlooker, reply


async def test_it_sees_the_headers_and_every_byte_in_whole_events() -> None:
    cut = len(WHOLE) // 2
    onlooker, reply = await watched(stream_answer(WHOLE[:cut], WHOLE[cut:]), a_request())
    assert onlooker.headers["request-id"] == "req_1"
    assert onlooker.seen == WHOLE
    assert reply.outcome == Succeeded("end_turn")
    assert reply.headers["request-id"] == "req_1"


async def test_an_error_that_comes_first_is_not_shown_for_there_may_be_another_try() -> None:
    onlooker, reply = await watched(stream_answer(ERROR), a_request())
    assert onlooker.seen == b""
    assert isinstance(reply.outcome, Overloaded)


async def test_what_breaks_off_has_been_seen_up_to_its_last_whole_event() -> None:
    onlooker, reply = await watched(stream_answer(message_start(), b"event: content_bl"), a_request())
    assert onlooker.seen == message_start()
    assert isinstance(reply.outcome, Transient)


async def test_an_answer_that_is_no_stream_after_all_is_the_reply_alone() -> None:
    onlooker, reply = await watched(json_answer(a_message()), a_request())
    assert onlooker.seen == b""
    assert reply.message is not None


async def test_in_a_callers_dialect_any_message_is_an_answer() -> None:
    refusal = json_answer(a_message(stop_reason="refusal"))
    for dialect, kind in ((None, Rejected), (Dialect(), Succeeded)):
        client = a_client(ScriptedTransport(refusal))
        reply = await client.send(replace(a_request(), dialect=dialect))
        assert isinstance(reply.outcome, kind)
        await client.aclose()


async def test_the_dialect_goes_out_with_the_call_and_with_no_other() -> None:
    transport = ScriptedTransport(json_answer(a_message()), json_answer(a_message()))
    client = a_client(transport)
    dialect = Dialect({"anthropic-version": "2023-06-01", "anthropic-beta": "a,b"}, "beta=true&x=")
    await client.send(replace(a_request(), dialect=dialect))
    await client.send(a_request())
    spoken, plain = transport.requests
    assert (spoken.headers["anthropic-version"], spoken.headers["anthropic-beta"]) == ("2023-06-01", "a,b")
    assert spoken.url.query == b"beta=true&x="
    assert plain.headers["anthropic-version"] == "2026-10-21"
    assert "anthropic-beta" not in plain.headers
    assert plain.url.query == b""
    await client.aclose()
