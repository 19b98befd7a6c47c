"""Reader: the entries of a packed answer, as far as they can be read.

It goes from entry to entry and stops at the first that is no JSON. What follows is never searched
for further entries: a text within a broken answer could look like one. Two readers of JSON may
take a key that stands twice in an object for different values, so such an entry is not read either.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

_OPENING = re.compile(r'\{[ \t\r\n]*"items"[ \t\r\n]*:[ \t\r\n]*\[')
_BLANKS = " \t\r\n"
_BLANK = re.compile(rf"[{_BLANKS}]*+")
_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?P<end>"|\\?\Z)|[{}\[\]]', re.DOTALL)
_LONGEST_INT = 20
"""Characters of a whole number of 64 bits with its sign."""


class Ending(Enum):
    """How the list of entries ends."""

    WHOLE = auto()
    CUT = auto()
    """The text ends before the list does."""
    BROKEN = auto()
    """Something in it is no JSON, or there is no such list at all."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One object of the list; `size_bytes` is what the model wrote for it.

    A number that JSON can say and a machine cannot hold is a value that no JSON writer takes.
    """

    fields: Mapping[str, Any]
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Reading:
    """The entries that were read, and all the text that was not."""

    entries: tuple[Entry, ...]
    unread: str
    ending: Ending


def read(text: str) -> Reading:
    """Read a packed answer. Whatever the text is, there is a reading of it."""
    start = text.find("{")
    opening = _OPENING.match(text, start)
    if opening is None:
        return Reading((), text, Ending.CUT if _is_cut(text) else Ending.BROKEN)
    reader = _Reader(text, opening.end())
    is_whole = reader.read()
    unread = "\n".join((text[:start], *reader.unread, text[reader.place :]))
    ending = Ending.WHOLE if is_whole else Ending.CUT if _is_cut(text[start:]) else Ending.BROKEN
    return Reading(tuple(reader.entries), unread, ending)


class _Reader:
    """Goes through the list that begins at `place`."""

    def __init__(self, text: str, place: int) -> None:
        self.place = place
        self.entries: list[Entry] = []
        self.unread: list[str] = []
        self._text = text
        self._has_doubles = False
        self._decoder = json.JSONDecoder(
            object_pairs_hook=self._object, parse_float=_number, parse_int=_whole, parse_constant=_Odd
        )

    def read(self) -> bool:
        """Take entries until the list ends, which is True, or something else comes."""
        self._skip(0)
        while not self._at("]"):
            if not self._take_entry():
                return False
            self._skip(0)
            if self._at(","):
                self._skip(1)
            elif not self._at("]"):
                return False
        self._skip(1)
        return True

    def _take_entry(self) -> bool:
        start, self._has_doubles = self.place, False
        try:
            value, self.place = self._decoder.raw_decode(self._text, start)
        except (ValueError, RecursionError):
            return False
        raw = self._text[start : self.place]
        if isinstance(value, dict) and not self._has_doubles:
            self.entries.append(Entry(value, len(raw.encode(errors="surrogatepass"))))
        else:
            self.unread.append(raw)
        return True

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        self._has_doubles |= len(made) < len(pairs)
        return made

    def _at(self, char: str) -> bool:
        return self._text.startswith(char, self.place)

    def _skip(self, chars: int) -> None:
        """Go past so many characters and the blanks after them."""
        blank = _BLANK.match(self._text, self.place + chars)
        assert blank is not None  # it matches nothing as well
        self.place = blank.end()


class _Odd:
    """A number that cannot be written again: NaN, infinite, or longer than 64 bits."""

    def __init__(self, text: str) -> None:
        self.text = text


def _number(text: str) -> float | _Odd:
    number = float(text)
    return number if math.isfinite(number) else _Odd(text)


def _whole(text: str) -> int | _Odd:
    return int(text) if len(text) <= _LONGEST_INT else _Odd(text)


def _is_cut(text: str) -> bool:
    """Whether the text ends within a string, or before all brackets are closed."""
    depth = 0
    for token in _TOKEN.finditer(text):
        end = token["end"]
        if end is None:
            depth += 1 if token[0] in "{[" else -1
        elif end != '"':
            return True
    return depth > 0
