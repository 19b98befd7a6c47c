"""Event streams: from bytes to events, and from events to the message they tell."""

from __future__ import annotations

import contextlib
import json
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeflow.claude.assembly import MalformedStream, MessageAssembly
from claudeflow.claude.sse import SseReader, WholeEvents
from tests.support.scripted import a_message, event, message_end, message_start, text_block

WHOLE = message_start() + event("ping") + text_block("Grüße", "\n\n", "data: x") + message_end()


def read(*chunks: bytes) -> list[dict[str, Any]]:
    reader = SseReader()
    return [found for chunk in chunks for found in reader.feed(chunk)]


def assemble(*parts: bytes) -> MessageAssembly:
    assembly = MessageAssembly()
    for found in read(*parts):
        assembly.add(found)
    return assembly


def a_block(block: dict[str, Any], *deltas: dict[str, Any], index: int = 0) -> bytes:
    start = event("content_block_start", index=index, content_block=block)
    middle = [event("content_block_delta", index=index, delta=delta) for delta in deltas]
    return b"".join([start, *middle, event("content_block_stop", index=index)])


@given(st.lists(st.integers(0, len(WHOLE))))
def test_where_the_network_cuts_the_bytes_does_not_matter(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(WHOLE)]
    pieces = [WHOLE[begin:end] for begin, end in pairwise(edges)]
    assert read(*pieces) == read(WHOLE)


def test_carriage_returns_comments_and_split_data_lines_are_read_as_the_standard_says() -> None:
    assert read(b'data: {"a":1}\r', b'\n\r\ndata:{"b":2}\r\n\r\n') == [{"a": 1}, {"b": 2}]
    assert read(b': keep-alive\n\nevent: x\n\ndata: {"a":\ndata: 1}\n\n') == [{"a": 1}]


def test_an_event_without_its_end_is_dropped() -> None:
    assert read(b'data: {"a":1}\n\ndata: {"b":2}\n') == [{"a": 1}]


def test_data_that_is_no_object_is_no_event() -> None:
    assert read(b"data: 7\n\ndata: null\n\n") == []
    with pytest.raises(orjson.JSONDecodeError):
        read(b"data: {oops\n\n")


def test_text_is_put_together_in_the_order_of_the_blocks() -> None:
    assembly = assemble(
        message_start(), text_block("b", "c", index=1), text_block("a", index=0), message_end()
    )
    assert [block["text"] for block in assembly.result()["content"]] == ["a", "bc"]


def test_a_tools_input_is_put_together_from_its_json() -> None:
    tool = {"type": "tool_use", "id": "toolu_1", "name": "look_up", "input": {}}
    pieces = [{"type": "input_json_delta", "partial_json": piece} for piece in ("", '{"city": "Zü', 'rich"}')]
    content = assemble(message_start(), a_block(tool, *pieces), message_end("tool_use")).result()["content"]
    assert content == [{**tool, "input": {"city": "Zürich"}}]


def test_a_tool_without_input_keeps_its_empty_one() -> None:
    tool = {"type": "tool_use", "id": "toolu_1", "name": "now", "input": {}}
    assert assemble(message_start(), a_block(tool), message_end()).result()["content"] == [tool]


def test_of_a_tools_input_cut_short_as_much_is_kept_as_there_is() -> None:
    tool = {"type": "tool_use", "id": "toolu_1", "name": "look_up", "input": {}}
    cut = {"type": "input_json_delta", "partial_json": '{"city": "Zürich", "zip": 80'}
    content = assemble(message_start(), a_block(tool, cut), message_end("max_tokens")).result()["content"]
    assert content[0]["input"]["city"] == "Zürich"


def test_thinking_keeps_its_text_and_its_signature() -> None:
    deltas = [
        {"type": "thinking_delta", "thinking": "Let me "},
        {"type": "thinking_delta", "thinking": "see."},
        {"type": "signature_delta", "signature": "c2ln"},
    ]
    block = a_block({"type": "thinking", "thinking": "", "signature": ""}, *deltas)
    content = assemble(message_start(), block, message_end()).result()["content"]
    assert content == [{"type": "thinking", "thinking": "Let me see.", "signature": "c2ln"}]


def test_citations_are_collected() -> None:
    cited = [{"type": "citations_delta", "citation": {"cited_text": text}} for text in ("one", "two")]
    block = a_block({"type": "text", "text": "", "citations": None}, *cited)
    content = assemble(message_start(), block, message_end()).result()["content"]
    assert content[0]["citations"] == [{"cited_text": "one"}, {"cited_text": "two"}]


def test_events_and_deltas_of_tomorrow_are_ignored() -> None:
    odd = event("content_block_delta", index=0, delta={"type": "smell_delta", "smell": "roses"})
    start = event("content_block_start", index=0, content_block={"type": "text", "text": "x"})
    stop = event("content_block_stop", index=0)
    assembly = assemble(message_start(), start + odd + stop, event("weather", sun=True), message_end())
    assert assembly.result() == a_message("x")


def test_usage_is_what_came_first_overwritten_by_what_came_last() -> None:
    split = {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 70}
    begun = message_start(cache_creation_input_tokens=70, cache_creation=split, inference_geo="us")
    grown = event(
        "message_delta",
        delta={"stop_reason": None},
        usage={"output_tokens": 40, "input_tokens": 20, "cache_creation_input_tokens": None},
    )
    usage = assemble(begun, grown, message_end(output_tokens=90)).usage()
    assert usage["output_tokens"] == 90
    assert usage["input_tokens"] == 20
    assert usage["cache_creation_input_tokens"] == 70
    assert usage["cache_creation"] == split
    assert usage["inference_geo"] == "us"


def test_only_content_is_a_sign_of_life() -> None:
    assembly = MessageAssembly()
    assert not assembly.add({"type": "ping"})
    assert not assembly.add({"type": "weather"})
    assert not assembly.add({})
    assert assembly.usage() == {}
    assert assembly.add({"type": "message_start", "message": a_message("")})


def test_a_model_is_thinking_while_a_thinking_block_is_open() -> None:
    begun = event("content_block_start", index=0, content_block={"type": "thinking", "thinking": ""})
    ended = event("content_block_stop", index=0)
    talking = event("content_block_start", index=1, content_block={"type": "text", "text": ""})
    steps = [message_start(), begun, ended, talking]
    assert [assemble(*steps[: length + 1]).is_thinking for length in range(4)] == [False, True, False, False]


@pytest.mark.parametrize(
    "parts",
    [
        (event("message_stop"),),
        (event("message_delta", delta={}, usage={}),),
        (message_start(), event("content_block_delta", index=3, delta={"type": "text_delta", "text": "x"})),
        (message_start(), event("content_block_start", index=0, content_block={}), event("message_stop")),
        (event("message_start"),),
        (event("message_start", message=7),),
    ],
    ids=["stop", "delta", "no such block", "block left open", "no message", "odd message"],
)
def test_events_that_make_no_message_are_malformed(parts: tuple[bytes, ...]) -> None:
    with pytest.raises(MalformedStream):
        assemble(*parts)


KINDS = ["message_start", "content_block_start", "content_block_delta", "content_block_stop"]
ODD = st.recursive(
    st.none() | st.integers(0, 2) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["type", "index", "delta", "text", "usage"]), inner)
    ),
)
FIELDS = st.sampled_from(["message", "index", "delta", "content_block", "usage"])


@given(
    st.lists(
        st.builds(
            lambda kind, fields: {**fields, "type": kind},
            st.sampled_from([*KINDS, "message_delta", "message_stop"]),
            st.dictionaries(FIELDS, ODD),
        )
    )
)
def test_odd_events_are_at_most_malformed(events: list[dict[str, Any]]) -> None:
    assembly = MessageAssembly()
    with contextlib.suppress(MalformedStream):
        for odd in events:
            assembly.add(odd)
    assert isinstance(assembly.usage(), dict)
    if assembly.is_complete:
        assert json.dumps(assembly.result())


@given(st.lists(st.integers(0, len(WHOLE))), st.booleans())
def test_whole_events_pass_unchanged_wherever_the_network_cuts(cuts: list[int], returns: bool) -> None:
    text = WHOLE.replace(b"\n", b"\r\n") if returns else WHOLE
    edges = [0, *sorted(cuts), len(text)]
    whole = WholeEvents()
    passed = [whole.feed(text[begin:end]) for begin, end in pairwise(edges)]
    assert b"".join(passed) == text
    assert all(piece == b"" or piece.endswith((b"\n\n", b"\r\n\r\n")) for piece in passed)


def test_an_event_that_is_not_whole_is_not_passed_on() -> None:
    whole = WholeEvents()
    assert whole.feed(b"event: a\n\nevent: b\n") == b"event: a\n\n"
    assert whole.feed(b"data: {}") == b""
