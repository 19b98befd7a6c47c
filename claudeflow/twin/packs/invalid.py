"""Values that a schema refuses, each a small step away from one that it accepts."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from claudeflow.twin.schema_walk import merged, referenced

_MAX_WAYS = 64
_INVENTED = "none_of_these"
_OF_TYPE: tuple[tuple[frozenset[str], Any], ...] = (
    (frozenset({"string"}), "seven"),
    (frozenset({"integer", "number"}), 7),
    (frozenset({"boolean"}), True),
    (frozenset({"array"}), []),
    (frozenset({"object"}), {}),
    (frozenset({"null"}), None),
)


def invalid_values(root: dict[str, Any], part: Any, value: Any) -> list[Any]:
    """Up to 64 values that `part` of a schema refuses, made of one that it accepts.

    There are none where it takes anything. A property is missing or invented, an enum has a value that
    does not exist, or a type is wrong.
    """
    return list(islice(_broken(root, part, value), _MAX_WAYS))


def _broken(root: dict[str, Any], part: Any, value: Any) -> Iterator[Any]:
    schema = _plain(root, part)
    if "const" in schema or schema.get("enum"):
        yield _not_among(schema.get("enum") or [schema["const"]])
        return
    if isinstance(value, dict) and "properties" in schema:
        yield from _broken_object(root, schema, value)
    if isinstance(value, list) and value and "items" in schema:
        yield from ([worse, *value[1:]] for worse in _broken(root, schema["items"], value[0]))
    yield from _of_other_type(schema)


def _broken_object(root: dict[str, Any], schema: dict[str, Any], value: dict[str, Any]) -> Iterator[Any]:
    for name in (name for name in schema.get("required") or () if name in value):
        yield {key: kept for key, kept in value.items() if key != name}
    if schema.get("additionalProperties") is False:
        yield {**value, _not_among(schema["properties"]): "invented"}
    for name, inner in value.items():
        for worse in _broken(root, schema["properties"].get(name), inner):
            yield {**value, name: worse}


def _of_other_type(schema: dict[str, Any]) -> Iterator[Any]:
    # What a union refuses depends on all its branches: one without a type of its own is left alone.
    named = schema.get("type")
    if named is None:
        return
    allowed = {named} if isinstance(named, str) else set(named)
    yield from (sample for types, sample in _OF_TYPE if not types & allowed)


def _plain(root: dict[str, Any], part: Any) -> dict[str, Any]:
    """The part without references and `allOf`; {} for one that is no object."""
    schema = part
    while isinstance(schema, dict) and ("$ref" in schema or schema.get("allOf")):
        schema = referenced(root, schema["$ref"]) if "$ref" in schema else merged(schema)
    return schema if isinstance(schema, dict) else {}


def _not_among(known: Any) -> str:
    name = _INVENTED
    while name in known:
        name += "_"
    return name
