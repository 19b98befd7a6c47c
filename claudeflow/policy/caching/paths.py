"""Paths: how the cacheable parts of a request are named, the outermost first.

A path reads `3f0c…/doc:81b2…/turn:c07e…`. Each part is a level: the end of a prefix that other requests may
share. The first, without a kind, ends tools and system; `doc` the first block of the conversation, `docs`
all blocks before its question, `turn` what the request before held, `last` everything. `5m` and `1h` are
markers that the caller set. Each hash covers all that comes before its end, so it names the level alone.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

Ttl = Literal["5m", "1h"]

TTL_S: dict[Ttl, float] = {"5m": 300.0, "1h": 3_600.0}
"""How long the API keeps an entry, counted from the start of the request that wrote or last read it."""

BASE = "base"
"""The kind of the level that ends tools and system."""


@lru_cache(maxsize=4_096)
def levels_of(path: str | None) -> tuple[str, ...]:
    """The levels of a path, the outermost first."""
    return tuple(path.split("/")) if path else ()


def key_of(level: str) -> str:
    """The hash of a level, which names its content whatever kind it is."""
    return level.rpartition(":")[2]


def kind_of(level: str) -> str:
    """What kind of level it is."""
    return level.rpartition(":")[0] or BASE


@lru_cache(maxsize=4_096)
def keys_of(path: str | None) -> frozenset[str]:
    """The hashes of all levels of a path."""
    return frozenset(key_of(level) for level in levels_of(path))


def ttl_of_caller(level: str) -> Ttl | None:
    """The TTL for which the caller marked this level himself, if he did."""
    kind = kind_of(level)
    return kind if kind in ("5m", "1h") else None  # type: ignore[return-value]
