"""How long a benchmark may take, and how its figures are written."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Size:
    """`tiny` only shows that a benchmark runs; `minutes` is the length of those that watch a load."""

    name: Literal["tiny", "quick", "full"] = "full"
    minutes: float = 10.0

    def of(self, *, tiny: T, quick: T, full: T) -> T:
        """The value for this size."""
        return {"tiny": tiny, "quick": quick, "full": full}[self.name]

    @property
    def rounds(self) -> int:
        """How often everything is measured, in turn."""
        return self.of(tiny=1, quick=3, full=5)


TINY = Size("tiny", minutes=0.02)
QUICK = Size("quick", minutes=0.5)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def spread(values: Sequence[float], digits: int = 2) -> str:
    """The median and, of several values, their extremes."""
    middle = number(statistics.median(values), digits)
    if len(values) == 1:
        return middle
    return f"{middle} [{number(min(values), digits)} - {number(max(values), digits)}]"


def ratio(values: Sequence[float], against: Sequence[float]) -> str:
    """The median of the ratios of neighbouring measurements."""
    return f"{statistics.median(a / b for a, b in zip(values, against, strict=True)):.2f}"


def number(value: float, digits: int) -> str:
    """A number as people read it."""
    return f"{value:,.{digits}f}"


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which a share of all values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
