"""What a packed call says beside its items, the schema of its answer, and which jobs can be an item."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import orjson
import pytest

from claudeflow.domain.prompt import Verify
from claudeflow.policy.packing.frames import slot_ids
from claudeflow.policy.packing.request import INSTRUCTIONS, item_text
from claudeflow.policy.packing.schema import lacks_field, pack_schema, schema_problem

LABEL = {"type": "object", "properties": {"label": {"type": "string"}}, "additionalProperties": False}
ROUTED: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "https://example.com/routed",
    "type": "object",
    "properties": {
        "label": {"enum": ["a", "b", {"$ref": "data"}]},
        "route": {"$ref": "#/$defs/route"},
        "old": {"$ref": "#/definitions/old"},
        "$ref": {"type": "string"},
        "$defs": {"type": "string", "const": {"$defs": {}}},
        "parts": {"type": "array", "prefixItems": [{"type": "string"}, True]},
    },
    "required": ["label"],
    "additionalProperties": False,
    "$defs": {
        "route": {
            "type": "object",
            "properties": {"team": {"type": "string"}},
            "additionalProperties": False,
        }
    },
    "definitions": {"old": {"type": "integer"}},
}


def text_message(text: Any, **more: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text, **more}]


def block(text: Any, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": text, **more}


def test_a_sealed_answer_has_this_schema() -> None:
    assert pack_schema(LABEL, ("k3f9", "p2w7"), Verify.SEAL) == {
        "type": "object",
        "properties": {
            "items": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "id": {"type": "string", "enum": ["k3f9", "p2w7"]},
                        "answer": LABEL,
                        "seal": {"type": "string"},
                    },
                    "required": ["id", "answer", "seal"],
                    "additionalProperties": False,
                },
            }
        },
        "required": ["items"],
        "additionalProperties": False,
    }


def test_with_ids_alone_the_schema_has_no_seal() -> None:
    entry = pack_schema(LABEL, ("k3f9",), Verify.ID)["properties"]["items"]["items"]
    assert list(entry["properties"]) == entry["required"] == ["id", "answer"]


def test_the_answer_comes_before_its_seal() -> None:
    entry = pack_schema(LABEL, ("k3f9",), Verify.SEAL)["properties"]["items"]["items"]
    assert list(entry["properties"]) == ["id", "answer", "seal"]


def test_definitions_move_to_the_top_where_references_find_them() -> None:
    assert schema_problem(ROUTED) is None
    packed = pack_schema(ROUTED, slot_ids("v", 2), Verify.ID)
    assert packed["$defs"] == ROUTED["$defs"]
    assert packed["definitions"] == ROUTED["definitions"]
    answer_schema = packed["properties"]["items"]["items"]["properties"]["answer"]
    assert not {"$defs", "definitions", "$schema", "$id"} & answer_schema.keys()
    validator = jsonschema_rs.validator_for(packed)

    def answers(answer: dict[str, Any]) -> dict[str, Any]:
        return {"items": [{"id": slot_ids("v", 2)[0], "answer": answer}]}

    assert validator.is_valid(answers({"label": "a", "route": {"team": "x"}, "old": 1}))
    assert not validator.is_valid(answers({"label": "a", "route": {"team": 5}}))
    assert not validator.is_valid(answers({"label": "a", "old": "1"}))


def test_the_schema_is_the_same_from_call_to_call() -> None:
    first, second = (orjson.dumps(pack_schema(ROUTED, slot_ids("v", 20), Verify.SEAL)) for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        pytest.param({"type": "array"}, 'type: must be "object"', id="an array"),
        pytest.param({"type": ["object", "null"]}, 'type: must be "object"', id="perhaps an object"),
        pytest.param(
            {"properties": {"a": {"$ref": "#"}}},
            "properties.a.$ref: must begin with #/$defs/ or #/definitions/",
            id="to the top",
        ),
        pytest.param(
            {"properties": {"a": {"items": {"$ref": "#/properties/b"}}}},
            "properties.a.items.$ref: must begin with",
            id="to a property",
        ),
        pytest.param(
            {"anyOf": [{"type": "object"}, {"$ref": "other.json#/$defs/a"}]},
            "anyOf[1].$ref: must begin with",
            id="to another file",
        ),
        pytest.param({"$ref": 5}, "$ref: must begin with", id="to a number"),
        pytest.param({"not": {"$dynamicRef": "#/$defs/a"}}, "not.$dynamicRef: must begin with", id="dynamic"),
        pytest.param(
            {"$defs": {"a": {"$ref": "#/$defs"}}}, "$defs.a.$ref: must begin with", id="in a definition"
        ),
        pytest.param(
            {"properties": {"a": {"$defs": {}}}},
            "properties.a.$defs: must stand at the top of the schema in a prompt with [pack]; move it there",
            id="definitions further down",
        ),
        pytest.param(
            {"properties": {"a": {"$id": "x"}}}, "properties.a.$id: must stand at the top", id="a name within"
        ),
    ],
)
def test_what_cannot_be_packed_is_named_with_its_place(changed: dict[str, Any], problem: str) -> None:
    found = schema_problem({**LABEL, **changed})
    assert found is not None
    assert found.startswith(problem)
    assert "[pack]" in found


def test_a_schema_of_any_depth_is_looked_through() -> None:
    deep: dict[str, Any] = {"$ref": "#"}
    for _ in range(5_000):
        deep = {"items": deep}
    assert schema_problem({"type": "object", **deep}) is not None


@pytest.mark.parametrize(
    ("field", "is_lacking"),
    [
        ("label", False),
        ("lable", True),
        ("route.team", False),
        ("route.what.ever", False),
        ("old", False),
        ("parts.first", True),
        ("parts", False),
    ],
)
def test_a_field_that_no_answer_can_have_is_found(field: str, is_lacking: bool) -> None:
    assert lacks_field(ROUTED, field) is is_lacking


def test_a_schema_that_does_not_tell_its_fields_lacks_none() -> None:
    assert not lacks_field({"type": "object"}, "anything.at.all")
    assert lacks_field({"type": "object", "properties": [], "additionalProperties": False}, "a")
    inner = {"type": "object", "properties": {}, "additionalProperties": False}
    assert lacks_field({"type": "object", "properties": {"a": inner}}, "a.b")


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        pytest.param(text_message("hello"), "hello", id="a text"),
        pytest.param(text_message([block("one")]), "one", id="a block"),
        pytest.param(text_message([block("one"), block("two")]), "one\n\ntwo", id="blocks"),
        pytest.param(text_message(""), None, id="nothing"),
        pytest.param(text_message([]), None, id="no blocks"),
        pytest.param(text_message(None), None, id="null"),
        pytest.param(text_message([block(5)]), None, id="a number for a text"),
        pytest.param(text_message(["one"]), None, id="no block"),
        pytest.param(text_message([block("one"), {"type": "image", "source": {}}]), None, id="an image"),
        pytest.param(text_message([{"type": "note", "text": "one"}]), None, id="another kind of block"),
        pytest.param(text_message([block("one", cache_control={})]), None, id="a marked block"),
        pytest.param([{"role": "assistant", "content": "hello"}], None, id="no question"),
        pytest.param(text_message("hello", name="x"), None, id="a message with more"),
        pytest.param(text_message("a") * 2, None, id="two messages"),
        pytest.param([], None, id="no message"),
        pytest.param({"role": "user", "content": "hello"}, None, id="no list"),
        pytest.param([5], None, id="no message but a number"),
        pytest.param(5, None, id="a number"),
    ],
)
def test_an_item_is_one_message_of_text_alone(messages: Any, text: str | None) -> None:
    assert item_text(messages) == text


def test_instructions_show_the_lines_and_speak_of_seals_only_where_there_are_any() -> None:
    assert "<<item ID CODE>>\n<<end ID CODE seal SEAL>>" in INSTRUCTIONS[Verify.SEAL]
    assert "<<item ID CODE>>\n<<end ID CODE>>" in INSTRUCTIONS[Verify.ID]
    assert "seal" not in INSTRUCTIONS[Verify.ID].lower()
    assert set(INSTRUCTIONS) == set(Verify)
