"""JSON text → values, stricter than JSON parsers are by default.

A key given twice, NaN and Infinity are mistakes: parsers resolve them silently and differently,
so producer and API could see different jobs.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

import orjson

from claudeflow.intake.mistakes import Mistakes, key_path, kind_of, refuse, show

MOST_VALUES = 1_000_000
"""How many values a body may have. A Messages body of 100,000 messages, as many as the API takes, has fewer.
One of 32 MiB could have millions, which take seconds to look at and a hundred times their size in memory.
"""

_OUTSIDE = re.compile(rb'([^"]*+)(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"?)?', re.DOTALL)
"""What stands before a string, and the string."""


_TOO_DEEP = "is nested too deep: more than 250 levels of lists and objects; flatten it"


class _Oddities:
    """Notes what standard JSON does not have, while the text is being read."""

    def __init__(self, mistakes: Mistakes, field: str) -> None:
        self._mistakes = mistakes
        self._field = field

    def pairs(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            seen: set[str] = set()
            for key, _ in pairs:
                if key in seen:
                    self._mistakes.add(key_path("", key), "is given twice in one object; keep one of them")
                seen.add(key)
        return found

    def constant(self, name: str) -> None:
        self._mistakes.add(self._field, f"{name} is not a JSON number; send a finite number or null")

    def number(self, text: str) -> float:
        value = float(text)
        if not math.isfinite(value):
            self._mistakes.add(self._field, f"the number {show(text)} is too large; send a finite number")
        return value


def check_values(raw: bytes, field: str = "body") -> None:
    """Whether JSON text has no more values than anybody needs, told before it is read. Raises InvalidJob."""
    if _values_begun(raw) <= MOST_VALUES:
        return
    found = 0
    for outside in _OUTSIDE.finditer(raw):
        found += _values_begun(outside[1])
        if found > MOST_VALUES:
            raise refuse(field, f"has more than {MOST_VALUES:,} values; send less, or send it as text")


def _values_begun(text: bytes) -> int:
    """How many values begin in a piece of JSON; more where it has strings."""
    return text.count(b",") + text.count(b"[") + text.count(b"{")


def read_object(raw: bytes, mistakes: Mistakes, field: str = "body") -> dict[str, Any]:
    """The JSON object in `raw`, which mistakes call `field`.

    Raises InvalidJob when there is none; notes lesser mistakes.
    """
    check_values(raw, field)
    odd = _Oddities(mistakes, field)
    try:
        value = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=odd.pairs,
            parse_constant=odd.constant,
            parse_float=odd.number,
        )
    except UnicodeDecodeError as error:
        raise refuse(field, f"is not UTF-8 at byte {error.start}; encode the JSON as UTF-8") from None
    except RecursionError:
        raise refuse(field, _TOO_DEEP) from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise refuse(field, f"is not JSON: {error.msg} at {where}; send one JSON object") from None
    except ValueError:
        raise refuse(
            field, "has a number of more than 4,300 digits; send numbers of at most 64 bits"
        ) from None
    if not isinstance(value, dict):
        raise refuse(field, f"must be a JSON object, found {kind_of(value)}")
    return value


def write(field: str, value: Any, mistakes: Mistakes, *, sort_keys: bool = False) -> bytes:
    """`value` as JSON; empty, with a mistake noted, when it has no faithful JSON.

    A copy: what orjson returns keeps the buffer it was written in, up to eight times its own size.
    """
    try:
        return bytes(memoryview(orjson.dumps(value, option=orjson.OPT_SORT_KEYS if sort_keys else None)))
    except orjson.JSONEncodeError as error:
        mistakes.add(field, _unwritable(str(error).lower()))
        return b""


def _unwritable(reason: str) -> str:
    if "recursion" in reason:
        return _TOO_DEEP
    if "integer" in reason:
        return "has an integer of more than 64 bits; send it as a string"
    return "has text that is not Unicode (half of a surrogate pair); send whole characters"
