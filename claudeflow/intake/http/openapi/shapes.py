"""JSON schemas (2020-12): small ones by hand, rows from their dataclasses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import TypeAdapter

Schema = dict[str, Any]

WHOLE: Schema = {"type": "integer"}
COUNT: Schema = {"type": "integer", "minimum": 0}
ID: Schema = {"type": "integer", "minimum": 1, "maximum": 2**63 - 1}
NUMBER: Schema = {"type": "number"}
TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
MOMENT: Schema = {"type": "string", "format": "date-time"}
NANOUSD: Schema = {"type": "integer", "description": "Billionths of a US dollar."}
SHARE: Schema = {"type": "number", "minimum": 0, "maximum": 1}
ANYTHING: Schema = {"type": "object"}
STRINGS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}

_REFERENCE = "#/components/schemas/"


def reference(name: str) -> Schema:
    """A schema among the components."""
    return {"$ref": f"{_REFERENCE}{name}"}


def nullable(schema: Schema) -> Schema:
    """The schema, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def array_of(items: Schema, *, most: int | None = None) -> Schema:
    """A list of these."""
    return {"type": "array", "items": items} | ({} if most is None else {"maxItems": most})


def one_of(values: Iterable[str]) -> Schema:
    """One of some words."""
    return {"type": "string", "enum": [str(value) for value in values]}


def answer_of(**properties: Schema) -> Schema:
    """An object of ours: all of these properties are there, and no other."""
    return _object(properties, list(properties), closed=True)


def sent(required: Iterable[str] = (), **properties: Schema) -> Schema:
    """An object that callers send: unknown properties are refused."""
    return _object(properties, list(required), closed=True)


def _object(properties: Mapping[str, Schema], required: list[str], *, closed: bool) -> Schema:
    found: Schema = {"type": "object", "properties": dict(properties)}
    return found | ({"required": required} if required else {}) | {"additionalProperties": not closed}


class Components:
    """Gathers the named schemas of a document."""

    def __init__(self) -> None:
        self.schemas: dict[str, Schema] = {}

    def add(self, name: str, schema: Schema) -> Schema:
        """Keep a schema under a name; the reference to it."""
        self.schemas[name] = schema
        return reference(name)

    def row(
        self,
        kind: type,
        moments: Mapping[str, str] | None = None,
        *,
        without: Iterable[str] = (),
        **other: Schema,
    ) -> Schema:
        """The public form of a dataclass; the reference to it.

        `moments` renames times in epoch ms that are shown as RFC 3339 (then the docstring, which speaks of
        the former, is left out); `without` leaves properties out, `other` adds some, or replaces them.
        """
        found = TypeAdapter(kind).json_schema(ref_template=_REFERENCE + "{model}", mode="serialization")
        for name, nested in found.pop("$defs", {}).items():
            self.schemas.setdefault(name, _public(nested, {}))
        if moments:
            found.pop("description", None)
        shape = _public(found, moments or {})
        properties = {name: value for name, value in shape["properties"].items() if name not in {*without}}
        properties |= other
        return self.add(kind.__name__, shape | {"properties": properties, "required": list(properties)})


def _public(schema: Schema, moments: Mapping[str, str]) -> Schema:
    """What pydantic found, as it is answered: everything is always there, and times are text."""
    if "properties" not in schema:
        return _plain(schema)
    properties = {
        moments.get(name, name): _moment(value) if name in moments else _plain(value)
        for name, value in schema["properties"].items()
    }
    kept = {name: value for name, value in schema.items() if name not in ("title", "properties")}
    return kept | {"properties": properties, "required": list(properties), "additionalProperties": False}


def _moment(schema: Schema) -> Schema:
    return nullable(MOMENT) if "anyOf" in schema else MOMENT


def _plain(schema: Schema) -> Schema:
    return {name: value for name, value in schema.items() if name not in ("title", "default")}
