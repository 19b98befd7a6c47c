from __future__ import annotations

from typing import Any

import jsonschema_rs
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeflow.twin.chance import Chance
from claudeflow.twin.replies import Reply, answer, chance_of
from claudeflow.twin.tokens import text_tokens
from tests.twin.builders import a_body, a_model, a_request

TICKET = {
    "type": "object",
    "additionalProperties": False,
    "required": ["severity", "tags", "owner", "due", "score"],
    "$defs": {"tag": {"type": "string", "enum": ["network", "identity", "billing"]}},
    "properties": {
        "severity": {"enum": ["low", "medium", "high"]},
        "kind": {"const": "ticket"},
        "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}, "minItems": 1, "maxItems": 2},
        "owner": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "due": {"type": "string", "format": "date"},
        "urgent": {"type": "boolean"},
        "score": {"type": "number", "minimum": 0, "maximum": 1},
        "count": {"type": "integer", "minimum": 3, "maximum": 5},
    },
}


def reply_to(seed: int = 0, median: int = 150, **changes: Any) -> Reply:
    request = a_request(**changes)
    return answer(request, chance_of(request, seed), median, 0.6)


def formatted(schema: dict[str, Any]) -> dict[str, Any]:
    return {"format": {"type": "json_schema", "schema": schema}}


def test_the_same_request_and_seed_get_the_same_answer_streamed_or_not() -> None:
    assert reply_to() == reply_to(stream=True)
    assert reply_to() != reply_to(seed=1)
    assert reply_to() != reply_to(messages=[{"role": "user", "content": "something else"}])


def test_prose_is_made_of_the_words_of_the_input() -> None:
    words = set(a_body()["messages"][0]["content"].split())
    said = reply_to().blocks[0]["text"].split()
    assert set(said[:-1]) <= words


def test_lengths_spread_around_the_median() -> None:
    lengths = sorted(
        reply_to(messages=[{"role": "user", "content": f"question {number}"}]).tokens for number in range(301)
    )
    assert 120 < lengths[150] < 190
    assert lengths[10] < 80
    assert lengths[-10] > 300


def test_max_tokens_cuts_and_says_so() -> None:
    reply = reply_to(max_tokens=10)
    assert (reply.tokens, reply.stop_reason) == (10, "max_tokens")
    assert text_tokens(len(reply.blocks[0]["text"]), a_model()) <= 10


@pytest.mark.parametrize("model", ["claude-opus-5", "claude-opus-4-6"])
@given(tokens=st.integers(1, 3_000), words=st.text("ab \n", max_size=60))
def test_a_question_can_ask_for_the_exact_length_of_its_answer(model: str, tokens: int, words: str) -> None:
    content = f"{words}[[answer {tokens} tokens]]{words}"
    reply = reply_to(model=model, max_tokens=4_000, messages=[{"role": "user", "content": content}])

    assert (reply.tokens, reply.stop_reason) == (tokens, "end_turn")
    assert text_tokens(len(reply.blocks[-1]["text"]), a_model(model)) == tokens


def test_the_length_that_is_asked_for_includes_thinking_and_is_cut_by_max_tokens() -> None:
    asked: dict[str, Any] = {"messages": [{"role": "user", "content": "Think. [[answer 500 tokens]]"}]}
    thought = reply_to(thinking={"type": "adaptive"}, **asked)
    cut = reply_to(max_tokens=40, **asked)

    assert (thought.tokens, thought.thinking_tokens) == (500, 150)
    assert (cut.tokens, cut.stop_reason) == (40, "max_tokens")


@pytest.mark.parametrize("order", ["[[answer 0 tokens]]", "[[answer many tokens]]", "[[answer 5 tokens", ""])
def test_anything_else_asks_for_no_length(order: str) -> None:
    messages = [{"role": "user", "content": f"Explain the firewall change. {order}"}]
    assert reply_to(messages=messages, max_tokens=4_000).tokens > 5


def test_a_stop_sequence_ends_the_answer() -> None:
    reply = reply_to(stop_sequences=["firewall"])
    assert (reply.stop_reason, reply.stop_sequence) == ("stop_sequence", "firewall")


@pytest.mark.parametrize("seed", range(25))
def test_structured_output_is_valid(seed: int) -> None:
    reply = reply_to(seed=seed, output_config=formatted(TICKET))
    jsonschema_rs.validate(TICKET, orjson.loads(reply.blocks[0]["text"]))
    assert reply.stop_reason == "end_turn"


def test_structured_output_that_hits_max_tokens_is_half_a_document() -> None:
    reply = reply_to(max_tokens=8, output_config=formatted(TICKET))
    assert reply.stop_reason == "max_tokens"
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(reply.blocks[0]["text"])


LEAVES = st.sampled_from(
    [
        {"type": "string"},
        {"type": "string", "minLength": 3, "maxLength": 9},
        {"type": "string", "format": "uuid"},
        {"type": ["string", "null"]},
        {"type": "integer"},
        {"type": "integer", "exclusiveMinimum": 1, "maximum": 2},
        {"type": "boolean"},
        {"type": "null"},
        {"enum": ["a", 2]},
        {"const": 5},
    ]
)
SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        inner.map(lambda item: {"type": "array", "items": item}),
        st.lists(inner, min_size=1, max_size=3).map(lambda items: {"anyOf": items}),
        st.dictionaries(st.sampled_from("abc"), inner, max_size=3).map(
            lambda fields: {
                "type": "object",
                "properties": fields,
                "required": sorted(fields),
                "additionalProperties": False,
            }
        ),
    ),
    max_leaves=6,
)


@given(SCHEMAS, st.integers(0, 1_000))
def test_any_schema_of_the_supported_kind_is_met(schema: dict[str, Any], seed: int) -> None:
    reply = reply_to(seed=seed, max_tokens=100_000, output_config=formatted(schema))
    text = reply.blocks[0]["text"]
    jsonschema_rs.validate(schema, orjson.loads(text))


def test_a_list_of_objects_with_ids_answers_each_id_of_the_input_once() -> None:
    row = {
        "type": "object",
        "properties": {"id": {"type": "string"}, "label": {"enum": ["a", "b"]}},
        "required": ["id", "label"],
        "additionalProperties": False,
    }
    schema = {
        "type": "object",
        "properties": {"results": {"type": "array", "items": row}},
        "required": ["results"],
        "additionalProperties": False,
    }
    items = "\n".join(f'<item id="t{number}">some text</item>' for number in range(7))
    reply = reply_to(output_config=formatted(schema), messages=[{"role": "user", "content": items}])

    results = orjson.loads(reply.blocks[0]["text"])["results"]
    assert [one["id"] for one in results] == [f"t{number}" for number in range(7)]


def test_a_forced_tool_is_called_with_valid_input() -> None:
    tools = [{"name": "other", "input_schema": {"type": "object"}}, {"name": "file", "input_schema": TICKET}]
    reply = reply_to(tools=tools, tool_choice={"type": "tool", "name": "file"})

    (block,) = reply.blocks
    assert (reply.stop_reason, block["type"], block["name"]) == ("tool_use", "tool_use", "file")
    jsonschema_rs.validate(TICKET, block["input"])


def test_thinking_takes_its_share_of_the_output_only_when_asked_for() -> None:
    assert reply_to().thinking_tokens == 0
    reply = reply_to(thinking={"type": "adaptive"})
    assert 0 < reply.thinking_tokens < reply.tokens
    assert [block["type"] for block in reply.blocks] == ["thinking", "text"]


def test_newer_models_need_about_a_third_more_tokens_for_the_same_text() -> None:
    older, newer = (
        text_tokens(36_000, a_model("claude-opus-4-6")),
        text_tokens(36_000, a_model("claude-opus-4-7")),
    )
    assert (older, newer) == (10_000, 13_000)


@given(st.integers(-(2**63), 2**63 - 1), st.binary())
def test_chance_repeats_itself_and_keeps_its_bounds(seed: int, material: bytes) -> None:
    one, other = Chance(seed, material), Chance(seed, material)
    assert [one.below(10) for _ in range(5)] == [other.below(10) for _ in range(5)]
    assert 0 < one.share() < 1
    assert one.log_normal(3.0, 0.0) == 3.0
