"""Mistakes in what a producer sent: gathered, worded, and raised all at once."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from typing import Any

from claudeflow.domain.errors import InvalidJob, Mistake

_MOST_KEPT = 50
_LONGEST_SHOWN = 60
_MOST_LISTED = 12


class Mistakes:
    """Gathers the mistakes of one job, so that the producer can mend them in one go.

    After 50 nothing more is looked at: what is wrong half a million times must not cost half a million looks.
    """

    def __init__(self) -> None:
        self._kept: list[Mistake] = []

    def add(self, field: str, message: str) -> None:
        """Note one mistake. Raises InvalidJob with all of them when there are too many."""
        if len(self._kept) == _MOST_KEPT:
            self._kept.append(Mistake("body", "has more mistakes; they were not looked for"))
            raise InvalidJob(self._kept)
        self._kept.append(Mistake(field, message))

    @property
    def kept(self) -> tuple[Mistake, ...]:
        """Those that were noted, the first ones first."""
        return tuple(self._kept)

    @property
    def found(self) -> bool:
        """Whether there are any."""
        return bool(self._kept)

    def raise_if_any(self) -> None:
        """Raise InvalidJob with all mistakes, if there are any."""
        if self._kept:
            raise InvalidJob(self._kept)


def refuse(field: str, message: str) -> InvalidJob:
    """The exception for a mistake after which nothing else can be checked."""
    return InvalidJob([Mistake(field, message)])


def kind_of(value: Any) -> str:
    """What a JSON value is, in words, without its content."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, str):
        return "a string" if value else "an empty string"
    if isinstance(value, int | float):
        return "a number"
    return "a list" if isinstance(value, list) else "an object"


def show(value: Any) -> str:
    """A name or number as it was found, cut short. Not for prompt text: use `kind_of` there."""
    if isinstance(value, dict | list):
        return kind_of(value)
    text = json.dumps(value, ensure_ascii=False)
    if len(text) > _LONGEST_SHOWN:
        text = text[: _LONGEST_SHOWN - 1] + "…"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def key_path(parent: str, key: str) -> str:
    """The path of a key that a producer made up: cut short, fit for any log."""
    name = key if key.isidentifier() and len(key) <= _LONGEST_SHOWN else show(key)
    return f"{parent}.{name}" if parent else name


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` Did you mean "x"?` when a known name is close, else nothing."""
    if len(name) > _LONGEST_SHOWN:
        return ""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean {show(close[0])}?" if close else ""


def listed(names: Iterable[str]) -> str:
    """Known names for a message: sorted, and not too many."""
    ordered = sorted(names)
    more = f" and {len(ordered) - _MOST_LISTED} more" if len(ordered) > _MOST_LISTED else ""
    return (", ".join(ordered[:_MOST_LISTED]) or "none") + more
