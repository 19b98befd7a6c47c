"""The order of keys in JSON. The API compares bytes: keys in an order of chance are another prefix each time.

One text alone shows it in two ways: objects of the same keys come in different orders, or a tool or
schema has its keys in an order in which neither a program that sorts nor a person would write them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

_TOOL_ORDERS = (
    ("type", "name", "description", "input_schema"),
    ("name", "type", "description", "input_schema"),
    ("name", "description", "type", "input_schema"),
)
LONGEST_BLOCK = 4_000
"""Longer JSON within a text is a document that people wrote elsewhere, at different times."""
_NAMES_OF_DATA = frozenset({"properties", "$defs", "definitions", "patternProperties"})
"""Objects whose keys are names that somebody chose: their order says something."""
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|\{')
_BLOCK = re.compile(r"^ {0,3}(?:[-*] |Answer: |Output: )?(?=\{|\[\s*\{)", re.MULTILINE)


class _Pairs(list[tuple[str, Any]]):
    """An object as its pairs, in the order of the text."""


_DECODER = json.JSONDecoder(object_pairs_hook=_Pairs)


@dataclass(frozen=True, slots=True)
class Disorder:
    """An object whose keys come in an order of chance; it begins at character `at`."""

    at: int
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Object:
    at: int
    keys: tuple[str, ...]
    path: tuple[str, ...]


def disorder(text: str) -> list[Disorder]:
    """What is out of order in the JSON of tools or of a schema. Raises ValueError, RecursionError."""
    objects = _objects(text, 0, _DECODER.decode(text))
    unusual = {one.at for one in objects if not _has_an_order(one.keys)}
    odd = unusual | {one.at for one in _odd_ones(objects)}
    return [Disorder(one.at, one.keys) for one in objects if one.at in odd]


def disorder_within(text: str) -> list[Disorder]:
    """Objects with the same keys in different orders, in the JSON examples of a text."""
    objects: list[_Object] = []
    end = 0
    for block in _BLOCK.finditer(text):
        start = block.end()
        if start < end:
            continue
        try:
            value, length = _DECODER.raw_decode(text[start : start + LONGEST_BLOCK])
            objects += _objects(text, start, value)
        except (ValueError, RecursionError):
            continue
        end = start + length
    return [Disorder(one.at, one.keys) for one in _odd_ones(objects)]


def _odd_ones(objects: Sequence[_Object]) -> Iterator[_Object]:
    """Objects whose keys come in another order than in the first object with these keys."""
    first: dict[frozenset[str], tuple[str, ...]] = {}
    for one in objects:
        if one.keys != first.setdefault(frozenset(one.keys), one.keys):
            yield one


def _has_an_order(keys: Sequence[str]) -> bool:
    """Sorted, or as people write it: `name` of a tool before its `input_schema`, `type` before its parts."""
    if list(keys) == sorted(keys):
        return True
    place = {key: number for number, key in enumerate(keys)}
    if {"name", "input_schema"} <= place.keys():
        known = [key for key in keys if key in _TOOL_ORDERS[0]]
        return any(known == sorted(known, key=order.index) for order in _TOOL_ORDERS)
    parts = [place[key] for key in ("properties", "items") if key in place]
    return "type" not in place or all(place["type"] < part for part in parts)


def _objects(text: str, start: int, value: Any) -> list[_Object]:
    """Every object of a JSON value that has several keys, in the order in which they begin."""
    starts = (match.start() for match in _TOKEN.finditer(text, start) if match.group() == "{")
    found: list[_Object] = []
    _walk(value, (), starts, found)
    return [one for one in found if len(one.keys) > 1]


def _walk(value: Any, path: tuple[str, ...], starts: Iterator[int], found: list[_Object]) -> None:
    if isinstance(value, _Pairs):
        at = next(starts)
        if not path or path[-1] not in _NAMES_OF_DATA:
            found.append(_Object(at, tuple(key for key, _ in value), path))
        for key, inner in value:
            _walk(inner, (*path, key), starts, found)
    elif isinstance(value, list):
        for inner in value:
            _walk(inner, path, starts, found)
