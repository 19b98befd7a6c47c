"""TOML → tables → a frozen dataclass, with every mistake: for the configuration and for files of its kind."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import orjson
from pydantic import TypeAdapter, ValidationError

from claudeflow.config.checks import mistake_of
from claudeflow.domain.errors import ConfigError, Mistake

T = TypeVar("T")

_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {}
_TOO_MUCH = "a number of more than 64 bits, or tables nested too deeply"


def read_text(path: Path, way_out: str) -> str:
    """The text of a file. Raises ConfigError; `way_out` ends its message."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as problem:
        raise ConfigError(
            str(path), [Mistake("", f"not UTF-8 at byte {problem.start}; save it as UTF-8")]
        ) from problem
    except OSError as problem:
        reason = problem.strerror or "cannot be read"
        raise ConfigError(str(path), [Mistake("", f"{reason}; {way_out}")]) from problem


def parse_toml(text: str, source: str) -> dict[str, Any]:
    """The tables of a TOML text. Raises ConfigError."""
    try:
        tables = tomllib.loads(text)
        orjson.dumps(tables, default=str)
    except tomllib.TOMLDecodeError as problem:
        raise ConfigError(source, [Mistake("", f"not TOML: {problem}")]) from problem
    except (RecursionError, ValueError, orjson.JSONEncodeError) as problem:
        raise ConfigError(source, [Mistake("", _TOO_MUCH)]) from problem
    return tables


def validate(kind: type[T], tables: Mapping[str, Any]) -> tuple[T | None, list[Mistake]]:
    """The value that the tables describe, or None and every mistake that single values show."""
    document = orjson.dumps(tables, default=str)
    try:
        return _adapter(kind).validate_json(document, strict=True), []
    except ValidationError as problem:
        return None, [mistake_of(error, kind) for error in problem.errors()]


def _adapter(kind: type[T]) -> TypeAdapter[T]:
    """Building one takes milliseconds, so each is built once."""
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]
