"""Schema: the answer schema of a packed call, made of the prompt's own.

The prompt's schema becomes a part of a larger one, so what it refers to must move with it: its
`$defs` and `definitions` are hoisted to the top of the larger one, where its references find them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from claudeflow.domain.prompt import Verify

_HOISTED = ("$defs", "definitions")
_LEFT_BEHIND = frozenset({*_HOISTED, "$schema", "$id"})
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_NAMED_PARTS = frozenset(
    {"properties", "patternProperties", "dependentSchemas", "dependencies", "$defs", "definitions"}
)
_DATA = frozenset({"const", "default", "enum", "examples"})


def pack_schema(schema: Mapping[str, Any], slots: Sequence[str], verify: Verify) -> dict[str, Any]:
    """The schema of an answer to a pack. It depends on the prompt alone: the API compiles it once."""
    entry: dict[str, Any] = {
        "id": {"type": "string", "enum": list(slots)},
        "answer": {key: value for key, value in schema.items() if key not in _LEFT_BEHIND},
    }
    if verify is Verify.SEAL:
        entry["seal"] = {"type": "string"}
    items = {"type": "array", "items": _closed(entry)}
    hoisted = {key: schema[key] for key in ("$schema", *_HOISTED) if key in schema}
    return {**_closed({"items": items}), **hoisted}


def schema_problem(schema: Mapping[str, Any]) -> str | None:
    """Why answers by this schema cannot be packed, with its place and the way out; None when they can."""
    if schema.get("type") != "object":
        return 'type: must be "object" in a prompt with [pack]; give the answer as a field of an object'
    for path, part in _parts(schema):
        for key in (*_HOISTED, "$id"):
            if path and key in part:
                return (
                    f"{_named(path, key)}: must stand at the top of the schema in a prompt with [pack]; "
                    "move it there"
                )
        for key in _REFERENCES:
            target = part.get(key)
            if target is not None and not _moves_along(key, target):
                return (
                    f"{_named(path, key)}: must begin with #/$defs/ or #/definitions/ in a prompt with "
                    "[pack]; move what it refers to into $defs"
                )
    return None


def lacks_field(schema: Mapping[str, Any], field: str) -> bool:
    """Whether no answer by this schema can have the field, a name or a path such as `route.team`.

    False when the schema does not tell.
    """
    part: Any = schema
    for step in field.split("."):
        if not isinstance(part, Mapping):
            return False
        kind, properties = part.get("type"), part.get("properties")
        names = properties if isinstance(properties, Mapping) else {}
        if isinstance(kind, str) and kind != "object":
            return True
        if part.get("additionalProperties") is False and step not in names:
            return True
        part = names.get(step)
    return False


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    """An object of exactly these fields, as structured outputs want it."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _moves_along(key: str, target: Any) -> bool:
    return (
        key == "$ref"
        and isinstance(target, str)
        and target.startswith(tuple(f"#/{place}/" for place in _HOISTED))
    )


def _parts(schema: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """The schema and every schema within it, with its place. What is data holds none."""
    waiting: list[tuple[tuple[str, ...], Mapping[str, Any]]] = [((), schema)]
    while waiting:
        path, part = waiting.pop()
        yield path, part
        for key, value in part.items():
            if key in _DATA:
                continue
            if key in _NAMED_PARTS and isinstance(value, Mapping):
                inner = [((*path, key, name), found) for name, found in value.items()]
            elif isinstance(value, list):
                inner = [((*path, f"{key}[{number}]"), found) for number, found in enumerate(value)]
            else:
                inner = [((*path, key), value)]
            waiting += [(place, found) for place, found in reversed(inner) if isinstance(found, Mapping)]


def _named(path: tuple[str, ...], key: str) -> str:
    return ".".join((*path, key))
