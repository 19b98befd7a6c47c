"""Checks that all sections of a twin's script share: every complaint names the entry and what is allowed."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from math import inf
from typing import Any

from claudeflow.twin.models import POOLS, find_model

Check = tuple[Callable[[Any], bool], str]


def number(low: float, high: float = inf) -> Callable[[Any], bool]:
    """A check for a number from `low` to `high`."""
    return lambda value: (
        isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
    )


def whole(low: int) -> Callable[[Any], bool]:
    """A check for a whole number from `low` up."""
    return lambda value: number(low)(value) and isinstance(value, int)


SECONDS: Check = (number(0), "seconds from 0 up")
SHARE: Check = (number(0, 1), "a number from 0 to 1")
FLAG: Check = (lambda value: isinstance(value, bool), "true or false")
MODEL: Check = (lambda value: isinstance(value, str), "a model id")
KNOWN_MODEL: Check = (
    lambda value: isinstance(value, str) and find_model(value) is not None,
    "the id of a model that the twin serves",
)
POOL: Check = (lambda value: value in POOLS, f"one of {', '.join(POOLS)}")


def read_toml(text: str, sections: Iterable[str]) -> dict[str, Any]:
    """The sections of a script. Raises ValueError."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"fault script is not TOML: {error}") from error
    wanted = sorted(sections)
    unknown = sorted(set(document) - set(wanted))
    if unknown:
        allowed = ", ".join(f"[[{section}]]" for section in wanted)
        raise ValueError(f"fault script: unknown key {unknown[0]!r}; allowed: {allowed} entries")
    return document


def tables(section: str, entries: Any) -> list[tuple[str, Mapping[str, Any]]]:
    """Each entry of a section with its name in complaints. Raises ValueError."""
    if not isinstance(entries, list):
        raise ValueError(  # noqa: TRY004 - one kind of error for all mistakes of a script
            f"fault script: {section!r} must be a list; write each entry under [[{section}]]"
        )
    found = []
    for place, entry in enumerate(entries, start=1):
        if not isinstance(entry, Mapping):
            raise ValueError(f"{section} {place}: must be a table")  # noqa: TRY004
        found.append((f"{section} {place}", entry))
    return found


def check_keys(where: str, entry: Mapping[str, Any], allowed: Iterable[str]) -> None:
    """Raises ValueError for a key that is not allowed."""
    known = sorted(allowed)
    for key in entry:
        if key not in known:
            raise ValueError(f"{where}: unknown key {key!r}; allowed: {', '.join(known)}")


def check_values(where: str, entry: Mapping[str, Any], checks: Mapping[str, Check]) -> None:
    """Raises ValueError for a value that is not allowed."""
    for key, value in entry.items():
        check, allowed = checks[key]
        if not check(value):
            raise ValueError(f"{where}: {key} = {value!r} is not allowed; give {allowed}")


def entry_of(value: Any) -> dict[str, Any]:
    """The entry from which a section's value is read again: its fields that are not the default."""
    return {
        item.name: getattr(value, item.name)
        for item in fields(value)
        if getattr(value, item.name) != item.default
    }
