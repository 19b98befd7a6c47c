"""Prompt caching in virtual time: the month lever by lever, cold prefixes, wrong choices, its effort."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.caching import cold, effort, month, wrong
from benchmarks.size import Size


def run(size: Size) -> Iterator[str]:
    """All tables."""
    for part in (cold, wrong, effort, month):
        yield from part.run(size)
