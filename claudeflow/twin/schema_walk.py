"""Values that fit a JSON schema, made of chance and of the words of the input."""

from __future__ import annotations

import re
from typing import Any

import orjson

from claudeflow.twin.chance import Chance
from claudeflow.twin.models import Model
from claudeflow.twin.orders import ordered_tokens
from claudeflow.twin.tokens import chars_per_token

_SOURCE_CHARS = 4_000
_WORD = re.compile(r"[^\W_][\w'-]*")
_MAX_DEPTH = 24
_MAX_ITEMS = 4
_MAX_CHARS = 400
_FORMATS: dict[str, tuple[str, ...]] = {
    "date": ("2026-03-14", "2026-07-02", "2026-10-21"),
    "date-time": ("2026-03-14T09:26:53Z", "2026-07-02T16:40:00Z"),
    "time": ("09:26:53Z", "16:40:00Z"),
    "duration": ("PT15M", "P2D"),
    "email": ("someone@example.com", "team@example.org"),
    "hostname": ("host.example.com", "gw.example.net"),
    "uri": ("https://example.com/a", "https://example.org/b"),
    "ipv4": ("192.0.2.10", "198.51.100.7"),
    "ipv6": ("2001:db8::1", "2001:db8::42"),
    "uuid": ("7b0d3c2e-2f4e-4f0e-9a54-3f1c1c5a2d10", "c9a1d5f2-8f60-4c1b-8a8e-0d5b7e6f1a33"),
}
_ID_NAMES = ("id", "item_id", "custom_id", "key")
_ID_IN_TEXT = re.compile(r"""\bid\s*[=:]\s*["']?([A-Za-z0-9_.-]{1,64})|"id"\s*:\s*"([^"]{1,64})\"""")


def structured(root: dict[str, Any], part: Any, text: str, seed: int, model: Model) -> Any:
    """The structured answer to a text, for the `part` of the schema that one answer must match.

    It follows from the arguments alone, whatever else stands in the request: a text that is asked
    together with others gets the answer that it gets alone. Where the text contains `[[answer 123 tokens]]`
    the first string that the schema leaves free is as long as that needs.
    """
    key = b"structured %s %s" % (model.id.encode(), text.encode())
    walk = SchemaWalk(root, Chance(seed, key), text)
    value = walk.value(part)
    wanted_tokens = ordered_tokens(text)
    if not wanted_tokens or walk.first_string is None:
        return value
    others_chars = len(orjson.dumps(value).decode()) - len(walk.first_string)
    chars = int(wanted_tokens * chars_per_token(model)) - others_chars
    return SchemaWalk(root, Chance(seed, key), text, first_chars=max(0, chars)).value(part)


class SchemaWalk:
    """Makes values for a schema or for parts of it. `root` is where its references are found.

    Strings are made of the words of `text`, and ids are looked for there. `first_string` is the first
    one that the schema leaves free; with `first_chars` it has that length, as far as the schema allows.
    """

    def __init__(
        self, root: dict[str, Any], chance: Chance, text: str, *, first_chars: int | None = None
    ) -> None:
        self._root = root
        self._chance = chance
        self._words = _WORD.findall(text[:_SOURCE_CHARS]) or ["none"]
        self._text = text
        self._first_chars = first_chars
        self.first_string: str | None = None

    def value(self, part: Any) -> Any:
        """A value that `part` of the schema, or all of it, accepts."""
        return self._walk(part, 0)

    def _walk(self, schema: Any, depth: int) -> Any:
        if not isinstance(schema, dict) or depth > _MAX_DEPTH:
            return None
        if "$ref" in schema:
            return self._walk(referenced(self._root, schema["$ref"]), depth + 1)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return schema["enum"][self._chance.below(len(schema["enum"]))]
        for union in ("anyOf", "oneOf"):
            if schema.get(union):
                return self._walk(schema[union][self._chance.below(len(schema[union]))], depth + 1)
        if schema.get("allOf"):
            return self._walk(merged(schema), depth + 1)
        return self._typed(schema, depth)

    def _typed(self, schema: dict[str, Any], depth: int) -> Any:
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = kind[self._chance.below(len(kind))] if kind else None
        if kind == "object" or (kind is None and "properties" in schema):
            properties = schema.get("properties") or {}
            return {name: self._walk(inner, depth + 1) for name, inner in properties.items()}
        if kind == "array":
            return self._array(schema, depth)
        if kind == "string":
            return self._string(schema)
        if kind in ("integer", "number"):
            return self._number(schema, whole=kind == "integer")
        if kind == "boolean":
            return self._chance.below(2) == 1
        return None

    def _array(self, schema: dict[str, Any], depth: int) -> list[Any]:
        items = schema.get("items") or {}
        while isinstance(items, dict) and "$ref" in items:
            items = referenced(self._root, items["$ref"])
        identified = self._identified(items, depth)
        if identified is not None:
            return identified
        low = int(schema.get("minItems", 1))
        high = int(schema.get("maxItems", max(low, _MAX_ITEMS)))
        return [self._walk(items, depth + 1) for _ in range(low + self._chance.below(high - low + 1))]

    def _identified(self, items: Any, depth: int) -> list[Any] | None:
        """Objects with an id answer each id of the input once, as a careful reader would."""
        properties = items.get("properties") if isinstance(items, dict) else None
        name = next((name for name in _ID_NAMES if name in (properties or {})), None)
        if properties is None or name is None:
            return None
        ids = properties[name].get("enum") or (
            self._ids_of_input() if properties[name].get("type") == "string" else []
        )
        if not ids:
            return None
        return [{**self._walk(items, depth + 1), name: one} for one in ids]

    def _ids_of_input(self) -> list[str]:
        found = (plain or quoted for plain, quoted in _ID_IN_TEXT.findall(self._text))
        return list(dict.fromkeys(found))

    def _string(self, schema: dict[str, Any]) -> str:
        if schema.get("format") in _FORMATS:
            samples = _FORMATS[schema["format"]]
            return samples[self._chance.below(len(samples))]
        start = self._chance.below(len(self._words))
        text = " ".join(self._words[start : start + 3 + self._chance.below(10)])
        low = int(schema.get("minLength", 0))
        high = int(schema.get("maxLength", max(low, _MAX_CHARS)))
        if self.first_string is None:
            if self._first_chars is not None:
                low, high = self._first_length(schema)
                text = " ".join(self._words[start:] + self._words[:start])
            self.first_string = _filled(text, low)[:high]
            return self.first_string
        return _filled(text, low)[:high]

    def _first_length(self, schema: dict[str, Any]) -> tuple[int, int]:
        """The length that the first string is to have, twice: as its least and its most."""
        assert self._first_chars is not None
        wanted = max(self._first_chars, int(schema.get("minLength", 0)))
        length = min(wanted, int(schema.get("maxLength", wanted)))
        return length, length

    def _number(self, schema: dict[str, Any], *, whole: bool) -> float:
        low = schema.get("minimum", schema.get("exclusiveMinimum", 0))
        high = schema.get("maximum", schema.get("exclusiveMaximum", low + 100))
        if whole:
            first = int(low) + ("exclusiveMinimum" in schema)
            last = int(high) - ("exclusiveMaximum" in schema)
            return first + self._chance.below(max(1, last - first + 1))
        return float(round(low + (high - low) * self._chance.share(), 6))


def _filled(text: str, low: int) -> str:
    """The text, said again until it has at least so many characters."""
    return text if len(text) >= low else " ".join([text] * (low // (len(text) + 1) + 2))


def referenced(root: dict[str, Any], reference: str) -> Any:
    """The part of a schema that a `$ref` such as `#/$defs/tag` means."""
    node: Any = root
    for step in reference.removeprefix("#").strip("/").split("/"):
        if step:
            node = node[step.replace("~1", "/").replace("~0", "~")]
    return node


def merged(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema with the parts of its `allOf` drawn together; of keys that clash the last one counts."""
    whole: dict[str, Any] = {key: value for key, value in schema.items() if key != "allOf"}
    for part in schema["allOf"]:
        for key, value in part.items():
            joins = key == "properties" and key in whole
            whole[key] = {**whole[key], **value} if joins else value
    return whole
