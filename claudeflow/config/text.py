"""A configuration written out, for people and for machines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, fields, is_dataclass
from typing import Any

import orjson

from claudeflow.config.settings import Config

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def as_dict(config: Config) -> dict[str, Any]:
    """The configuration as plain values."""
    return asdict(config)


def to_toml(config: Config) -> str:
    """The configuration as TOML; keys at their default are marked."""
    return "\n".join(_toml_lines(config, Config(), ())) + "\n"


def _toml_lines(value: Any, default: Any, path: tuple[str, ...]) -> Iterator[str]:
    """Scalars first, then tables, as TOML wants it."""
    entries = (
        value.items()
        if isinstance(value, dict)
        else [(f.name, getattr(value, f.name)) for f in fields(value)]
    )
    tables = [(key, entry) for key, entry in entries if is_dataclass(entry) or isinstance(entry, dict)]
    scalars = [(key, entry) for key, entry in entries if (key, entry) not in tables]
    if path and (scalars or not tables):
        yield f"\n[{'.'.join(_key(part) for part in path)}]"
    for key, entry in scalars:
        mark = "  # default" if entry == _member(default, key) else ""
        yield f"{_key(key)} = {orjson.dumps(entry).decode()}{mark}"
    for key, entry in tables:
        yield from _toml_lines(entry, _member(default, key), (*path, key))


def _member(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else getattr(value, key, None)


def _key(name: str) -> str:
    """A key as TOML writes it: in quotes unless it is plain."""
    return name if _BARE_KEY.fullmatch(name) else orjson.dumps(name).decode()
