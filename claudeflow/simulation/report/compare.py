"""Compare: several runs side by side, each against the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from claudeflow.simulation.report.figures import UNKNOWN, Better, Figure, groups
from claudeflow.simulation.result import Result

NOISE = 0.005
"""Differences below half a percent are no verdict."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure of one run. `change` is its difference to the first run's as a share of that.

    `is_better` is None for the first run, for a difference that is noise, and where neither is better.
    """

    figure: Figure | None
    change: float | None = None
    is_better: bool | None = None

    def __str__(self) -> str:
        return UNKNOWN if self.figure is None else str(self.figure)

    @property
    def change_text(self) -> str:
        """The difference for people: `+12%`, `35x` when it is large, nothing when there is none."""
        if self.change is None or self.change == 0:
            return ""
        if self.change >= 9.995:
            return f"{self.change + 1:,.0f}x"
        return "±0%" if abs(self.change) < NOISE else f"{self.change:+.0%}"


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of every run, in their order."""

    name: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """Rows that belong together."""

    name: str
    rows: tuple[Row, ...]


def compare(results: Sequence[Result]) -> list[Section]:
    """All figures of all runs. What only some runs have (a lane, a pool) is empty for the others."""
    sides = [
        {(group.name, figure.name): figure for group in groups(result) for figure in group.figures}
        for result in results
    ]
    names = list(dict.fromkeys(key for side in sides for key in side))
    sections = list(dict.fromkeys(section for section, _ in names))
    return [
        Section(
            section,
            tuple(
                Row(name, tuple(_cells([side.get((section, name)) for side in sides])))
                for inside, name in names
                if inside == section
            ),
        )
        for section in sections
    ]


def _cells(figures: Sequence[Figure | None]) -> list[Cell]:
    first = figures[0]
    return [Cell(first), *(_cell(first, figure) for figure in figures[1:])]


def _cell(first: Figure | None, figure: Figure | None) -> Cell:
    if first is None or figure is None or first.value is None or figure.value is None:
        return Cell(figure)
    if first.value == 0:
        change = 0.0 if figure.value == 0 else None
    else:
        change = (figure.value - first.value) / abs(first.value)
    differs = figure.value != first.value and (change is None or abs(change) >= NOISE)
    if not differs or figure.better is Better.NEITHER:
        return Cell(figure, change)
    return Cell(figure, change, is_better=(figure.value > first.value) is (figure.better is Better.MORE))
