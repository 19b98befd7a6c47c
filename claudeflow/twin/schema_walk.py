"""Values that fit a JSON schema, made of chance and of the words of the input."""

from __future__ import annotations

import re
from typing import Any

from claudeflow.twin.chance import Chance

_MAX_DEPTH = 24
_MAX_ITEMS = 4
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


class SchemaWalk:
    """Makes one value for `schema`; its strings are made of `words`, its ids are looked for in `text`."""

    def __init__(self, schema: dict[str, Any], chance: Chance, words: list[str], text: str) -> None:
        self._root = schema
        self._chance = chance
        self._words = words or ["none"]
        self._text = text

    def value(self) -> Any:
        """A value that the schema accepts."""
        return self._walk(self._root, 0)

    def _walk(self, schema: Any, depth: int) -> Any:
        if not isinstance(schema, dict) or depth > _MAX_DEPTH:
            return None
        if "$ref" in schema:
            return self._walk(self._resolve(schema["$ref"]), depth + 1)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return schema["enum"][self._chance.below(len(schema["enum"]))]
        for union in ("anyOf", "oneOf"):
            if schema.get(union):
                return self._walk(schema[union][self._chance.below(len(schema[union]))], depth + 1)
        if schema.get("allOf"):
            return self._walk(_merged(schema), depth + 1)
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
            items = self._resolve(items["$ref"])
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
        low, high = int(schema.get("minLength", 0)), int(schema.get("maxLength", 400))
        while len(text) < low:
            text += " " + text
        return text[:high]

    def _number(self, schema: dict[str, Any], *, whole: bool) -> float:
        low = schema.get("minimum", schema.get("exclusiveMinimum", 0))
        high = schema.get("maximum", schema.get("exclusiveMaximum", low + 100))
        if whole:
            first = int(low) + ("exclusiveMinimum" in schema)
            last = int(high) - ("exclusiveMaximum" in schema)
            return first + self._chance.below(max(1, last - first + 1))
        return float(round(low + (high - low) * self._chance.share(), 6))

    def _resolve(self, reference: str) -> Any:
        node: Any = self._root
        for step in reference.removeprefix("#").strip("/").split("/"):
            if step:
                node = node[step.replace("~1", "/").replace("~0", "~")]
        return node


def _merged(schema: dict[str, Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {key: value for key, value in schema.items() if key != "allOf"}
    for part in schema["allOf"]:
        for key, value in part.items():
            joins = key == "properties" and key in merged
            merged[key] = {**merged[key], **value} if joins else value
    return merged
