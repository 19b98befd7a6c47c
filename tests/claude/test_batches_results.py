"""The results of a batch: lines however they are cut, streams that break, and what each result means."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from itertools import pairwise
from typing import Any

import httpx2
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeflow.claude.batch_results import LONGEST_LINE_BYTES
from claudeflow.claude.jsonl import LineReader, LineTooLong
from claudeflow.domain.attempt import (
    Blocked,
    Interrupted,
    Overloaded,
    Rejected,
    Reply,
    Succeeded,
    Throttled,
    Transient,
)
from claudeflow.domain.batch import ItemKind, ItemResult, ResultsBroken
from claudeflow.domain.hold import HoldCause
from claudeflow.domain.job import JobError
from claudeflow.domain.usage import Usage
from tests.claude.batch_calls import ID, URL, a_batch_client, a_line, all_results, results_answer, scripted
from tests.claude.test_failures import CREDIT_TEXT
from tests.support.scripted import (
    Answer,
    ScriptedTransport,
    Silence,
    Step,
    a_message,
    error_body,
)

SUCCEEDED = a_line("j1-1", {"type": "succeeded", "message": a_message("SECRET ä")})
ERRORED = a_line("j2-1", {"type": "errored", "error": error_body("invalid_request_error", "messages: no")})
CANCELED = a_line("j3-1", {"type": "canceled"})
EXPIRED = a_line("j4-1", {"type": "expired"})
WHOLE = SUCCEEDED + ERRORED + CANCELED + EXPIRED
ITEMS = [
    ItemResult("j1-1", ItemKind.SUCCEEDED, a_message("SECRET ä")),
    ItemResult("j2-1", ItemKind.ERRORED, error_body("invalid_request_error", "messages: no")),
    ItemResult("j3-1", ItemKind.CANCELED, {}),
    ItemResult("j4-1", ItemKind.EXPIRED, {}),
]


async def read_until_it_breaks(*steps: Step, **settings: float) -> tuple[list[str], str]:
    """Whose results came before the stream broke, and how it did."""
    seen: list[str] = []

    async def read() -> None:
        async for item in scripted(results_answer(*steps), **settings).results(ID):
            seen.append(item.custom_id)  # noqa: PERF401

    with pytest.raises(ResultsBroken) as broken:
        await read()
    found = broken.value.trouble
    assert isinstance(found.failure, Transient)
    assert "SECRET" not in str(found)
    assert "SECRET" not in str(broken.value)
    assert broken.value.__cause__ is None
    return seen, found.failure.error.type


async def test_each_line_is_a_result() -> None:
    transport = ScriptedTransport(results_answer(WHOLE))
    assert await all_results(a_batch_client(transport)) == ITEMS
    sent = transport.requests[0]
    assert (sent.method, str(sent.url)) == ("GET", f"{URL}/{ID}/results")
    assert sent.headers["anthropic-version"] == "2026-10-21"


@pytest.mark.parametrize("size", [1, 7, 100, len(SUCCEEDED), len(SUCCEEDED) - 1, len(SUCCEEDED) + 1])
async def test_lines_may_arrive_cut_anywhere(size: int) -> None:
    pieces = [WHOLE[at : at + size] for at in range(0, len(WHOLE), size)]
    assert await all_results(scripted(results_answer(*pieces))) == ITEMS


async def test_lines_may_end_in_any_way_and_the_last_in_none() -> None:
    body = WHOLE.replace(b"\n", b"\r\n\n  \n")
    assert await all_results(scripted(results_answer(body))) == ITEMS
    assert await all_results(scripted(results_answer(WHOLE[:-1]))) == ITEMS
    assert await all_results(scripted(results_answer())) == []


async def test_line_separators_within_an_answer_end_no_line() -> None:
    text = "one\u2028two\u0085three\x0bfour"
    message = {"type": "succeeded", "message": a_message(text)}
    line = orjson.dumps({"custom_id": "a", "result": message})
    (item,) = await all_results(scripted(results_answer(line)))
    assert item.document == a_message(text)


@given(st.binary(), st.lists(st.integers(min_value=0, max_value=200)))
def test_lines_are_the_same_wherever_the_stream_is_cut(data: bytes, cuts: list[int]) -> None:
    reader = LineReader(1_000)
    edges = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    lines = [line for start, end in pairwise(edges) for line in reader.feed(data[start:end])]
    *whole, rest = data.split(b"\n")
    assert lines == [line for line in whole if line.strip()]
    assert reader.rest() == rest.strip()


def test_a_line_without_an_end_is_given_up() -> None:
    reader = LineReader(10)
    assert reader.feed(b"0123456789") == []
    with pytest.raises(LineTooLong):
        reader.feed(b"0")


async def test_a_result_is_there_as_soon_as_its_line_is() -> None:
    client = scripted(results_answer(SUCCEEDED + ERRORED[:20], Silence()))
    async with aclosing(client.results(ID)) as items:
        assert await anext(items) == ITEMS[0]


class Counting(httpx2.AsyncByteStream):
    """Many results, a chunk of ten lines each, and how many of them were taken."""

    def __init__(self, chunks: int) -> None:
        self._chunks = chunks
        self.taken = 0
        self.is_closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        chunk = SUCCEEDED * 10
        for _ in range(self._chunks):
            self.taken += 1
            yield chunk

    async def aclose(self) -> None:
        self.is_closed = True


class OneBody(httpx2.AsyncBaseTransport):
    def __init__(self, body: httpx2.AsyncByteStream) -> None:
        self._body = body

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "application/x-jsonl"}, stream=self._body)


async def test_no_more_is_read_than_what_was_taken() -> None:
    body = Counting(chunks=2_000)
    count = 0
    async for _ in a_batch_client(OneBody(body)).results(ID):
        count += 1
        assert body.taken * 10 - count < 10
    assert count == 20_000
    assert body.is_closed


async def test_who_leaves_early_closes_the_stream() -> None:
    body = Counting(chunks=2_000)
    async with aclosing(a_batch_client(OneBody(body)).results(ID)) as items:
        await anext(items)
    assert body.taken == 1
    assert body.is_closed


async def test_an_error_of_the_reader_is_its_own_and_closes_the_stream() -> None:
    body = Counting(chunks=2_000)

    async def fail_at_the_first() -> None:
        async with aclosing(a_batch_client(OneBody(body)).results(ID)) as items:
            async for _ in items:
                raise TimeoutError("of the reader")

    with pytest.raises(TimeoutError, match="of the reader"):
        await fail_at_the_first()
    assert body.is_closed


@pytest.mark.parametrize("cut", [SUCCEEDED[:-20], SUCCEEDED[:1], SUCCEEDED[:-2]])
async def test_results_that_end_in_mid_line_are_truncated(cut: bytes) -> None:
    assert await read_until_it_breaks(ERRORED, cut) == (["j2-1"], "truncated_stream")


@pytest.mark.parametrize("begun", [b"", ERRORED[:9]], ids=["line end", "mid-line"])
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (httpx2.RemoteProtocolError("peer closed"), "connection_error"),
        (httpx2.ReadError("reset"), "connection_error"),
        (httpx2.ReadTimeout("late"), "timeout"),
    ],
)
async def test_a_connection_that_is_lost_breaks_the_results(
    begun: bytes, error: Exception, kind: str
) -> None:
    assert await read_until_it_breaks(SUCCEEDED + begun, error) == (["j1-1"], kind)


async def test_results_that_stall_are_given_up() -> None:
    found = await read_until_it_breaks(SUCCEEDED, Silence(), content_timeout_s=0.01)
    assert found == (["j1-1"], "stalled_stream")


@pytest.mark.parametrize(
    "line",
    [
        b"SECRET\n",
        b"[]\n",
        b"null\n",
        b'"SECRET"\n',
        b"{}\n",
        b'{"custom_id":"SECRET"}\n',
        b'{"custom_id":7,"result":{"type":"expired"}}\n',
        b'{"result":{"type":"expired"}}\n',
        b'{"custom_id":"SECRET","result":null}\n',
        b'{"custom_id":"SECRET","result":{"type":"SECRET"}}\n',
        b'{"custom_id":"SECRET","result":{"type":["expired"]}}\n',
        b'{"custom_id":"SECRET","result":{"type":"succeeded"}}\n',
        b'{"custom_id":"SECRET","result":{"type":"succeeded","message":"SECRET"}}\n',
        b'{"custom_id":"SECRET","result":{"type":"errored","error":[]}}\n',
        b'{"custom_id":"\xff","result":{"type":"expired"}}\n',
        SUCCEEDED[:-1] + SUCCEEDED,
    ],
)
async def test_a_line_that_is_no_result_breaks_the_results_and_is_not_quoted(line: bytes) -> None:
    found = await read_until_it_breaks(CANCELED + line + EXPIRED)
    assert found == (["j3-1"], "malformed_response")


async def test_trouble_names_the_line_that_cannot_be_used() -> None:
    client = scripted(results_answer(CANCELED, b"\n" + EXPIRED, b"SECRET\n"))
    with pytest.raises(ResultsBroken, match="line 3 of the results"):
        await all_results(client)


async def test_a_line_without_end_does_not_fill_the_memory() -> None:
    piece = b"x" * (LONGEST_LINE_BYTES // 8)
    found = await read_until_it_breaks(CANCELED, *[piece] * 9, Silence())
    assert found == (["j3-1"], "malformed_response")


def reply_to(item: ItemResult, schema: dict[str, Any] | None = None, *, caches_for_1h: bool = False) -> Reply:
    return scripted().reply_of(item, schema=schema, caches_for_1h=caches_for_1h)


def errored(error_type: str, message: str = "no", code: str | None = None) -> ItemResult:
    return ItemResult("j1-1", ItemKind.ERRORED, error_body(error_type, message, code))


def succeeded(**fields: Any) -> ItemResult:
    return ItemResult("j1-1", ItemKind.SUCCEEDED, a_message(**fields))


def test_a_message_is_answered_and_billed_at_the_batch_tier() -> None:
    usage = {"input_tokens": 12, "output_tokens": 5, "cache_creation_input_tokens": 7}
    reply = reply_to(succeeded(usage=usage))
    assert reply == Reply(
        Succeeded("end_turn"),
        usage=Usage(
            input_tokens=12,
            output_tokens=5,
            cache_write_5m_tokens=7,
            service_tier="batch",
            split_known=False,
        ),
        raw_usage=orjson.dumps(usage),
        message=reply.message,
        message_id="msg_1",
        model="claude-haiku-5-5",
        http_status=200,
    )
    assert json.loads(reply.message or b"") == a_message(usage=usage)
    reply = reply_to(succeeded(usage=usage), caches_for_1h=True)
    assert (reply.usage.cache_write_5m_tokens, reply.usage.cache_write_1h_tokens) == (0, 7)


def test_a_message_is_judged_like_any_other_answer() -> None:
    schema = {"type": "object"}
    mismatch = reply_to(succeeded(text="no JSON"), schema)
    assert isinstance(mismatch.outcome, Rejected)
    assert mismatch.outcome.error.type == "invalid_output"
    assert not mismatch.free
    assert reply_to(succeeded(text="{}"), schema).outcome == Succeeded("end_turn")
    refusal = reply_to(succeeded(text="", stop_reason="refusal"))
    assert isinstance(refusal.outcome, Rejected)
    assert refusal.free
    assert isinstance(reply_to(succeeded(stop_reason=None)).outcome, Transient)


def test_a_message_without_its_usage_may_have_cost_something() -> None:
    for usage in (None, {}, {"input_tokens": 3}):
        assert not reply_to(succeeded(usage=usage)).usage_known
    assert not reply_to(ItemResult("a", ItemKind.SUCCEEDED, {})).usage_known


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (errored("invalid_request_error"), Rejected),
        (errored("invalid_request_error", CREDIT_TEXT), HoldCause.CREDIT),
        (errored("invalid_request_error", code="organization_on_hold"), HoldCause.ORGANIZATION),
        (errored("invalid_request_error", code="request_body_timeout"), Transient),
        (errored("authentication_error"), HoldCause.AUTHENTICATION),
        (errored("billing_error"), HoldCause.BILLING),
        (errored("permission_error"), HoldCause.PERMISSION),
        (errored("not_found_error", "model: claude-opus-3"), HoldCause.MODEL_NOT_FOUND),
        (errored("not_found_error", "File not found: file_011"), Rejected),
        (errored("request_too_large"), Rejected),
        (errored("rate_limit_error"), Throttled),
        (errored("rate_limit_error", code="enforced_spend_limit_reached"), HoldCause.SPEND_CAP),
        (errored("api_error"), Transient),
        (errored("api_error", "Overloaded"), Overloaded),
        (errored("timeout_error"), Transient),
        (errored("overloaded_error"), Overloaded),
        (errored("an_error_of_tomorrow"), Transient),
        (errored("an_error_of_tomorrow", code="file_expired"), Rejected),
    ],
)
def test_an_error_of_one_request_has_the_meaning_of_the_table(
    item: ItemResult, expected: type | HoldCause
) -> None:
    reply = reply_to(item)
    assert not isinstance(reply.outcome, Succeeded)
    if isinstance(expected, HoldCause):
        assert reply.outcome == Blocked(reply.outcome.error, expected)
    else:
        assert type(reply.outcome) is expected
    assert reply == Reply(reply.outcome, request_id="req_1", http_status=200, usage_known=True, free=True)
    assert reply.outcome.error.type == item.document["error"]["type"]


def test_an_error_of_one_request_tells_what_the_api_said() -> None:
    reply = reply_to(
        errored("invalid_request_error", "tools: sk-ant-abc " + "x" * 1_000, "tool_name_conflict")
    )
    assert isinstance(reply.outcome, Rejected)
    said = reply.outcome.error
    assert said.message.startswith("tools: [key]")
    assert len(said.message) == 500
    assert (said.code, said.status, said.request_id) == ("tool_name_conflict", 200, "req_1")


@pytest.mark.parametrize(
    "envelope",
    [{}, {"error": None}, {"error": {}}, {"error": {"type": 4}}, {"type": "invalid_request_error"}],
)
def test_an_error_that_does_not_name_itself_is_worth_another_try(envelope: dict[str, Any]) -> None:
    reply = reply_to(ItemResult("j1-1", ItemKind.ERRORED, envelope))
    assert isinstance(reply.outcome, Transient)
    assert reply.outcome.error.type == "malformed_response"
    assert reply.free


def test_odd_parts_of_an_error_are_left_out() -> None:
    error = {"type": "api_error", "message": 7, "details": {"error_code": []}}
    reply = reply_to(ItemResult("j1-1", ItemKind.ERRORED, {"error": error, "request_id": 8}))
    assert reply.outcome == Transient(JobError("api_error", "", None, 200, None))
    assert reply.request_id is None


@pytest.mark.parametrize(
    ("kind", "error_type"), [(ItemKind.CANCELED, "batch_canceled"), (ItemKind.EXPIRED, "batch_expired")]
)
def test_a_request_that_the_api_never_came_to_is_interrupted_and_free(
    kind: ItemKind, error_type: str
) -> None:
    reply = reply_to(ItemResult("j1-1", kind, {}))
    assert isinstance(reply.outcome, Interrupted)
    assert reply.outcome.error.type == error_type
    assert reply.outcome.error.message
    assert reply == Reply(reply.outcome, free=True)


async def test_results_may_come_under_any_type() -> None:
    for content_type in ("application/octet-stream", "application/json", "text/plain"):
        assert await all_results(scripted(results_answer(WHOLE, content_type=content_type))) == ITEMS
    assert await all_results(scripted(Answer((WHOLE,)))) == ITEMS
