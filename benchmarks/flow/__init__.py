"""Flow control in virtual time: the real daemon on the twin, saturated, disturbed and flooded."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.flow import disturbance, lanes, saturation, story
from benchmarks.size import Size


def run(size: Size) -> Iterator[str]:
    """All tables."""
    for part in (saturation, disturbance, lanes, story):
        yield from part.run(size)
