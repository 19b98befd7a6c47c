"""Columns: what was measured at each moment, turned into one series per measure."""

from __future__ import annotations

from collections.abc import Mapping

from claudeflow.simulation.result import Series

Key = tuple[str, str, str]
"""Measure, lane or pool, axis."""

COUNTS = frozenset(
    {
        "submitted",
        "ended",
        "calls",
        "throttled",
        "overloaded",
        "failed_calls",
        "cost_nanousd",
        "uncached_nanousd",
        "granted",
        "used",
        "others",
    }
)
"""Measures of the time since the moment before: nothing told means zero."""

DIGITS = 3


class Columns:
    """Rows go in, columns come out."""

    def __init__(self) -> None:
        self._at_s: list[float] = []
        self._columns: dict[Key, list[float | None]] = {}

    def __len__(self) -> int:
        return len(self._at_s)

    @property
    def at_s(self) -> tuple[float, ...]:
        """The moment of each row."""
        return tuple(self._at_s)

    def add(self, at_s: float, row: Mapping[Key, float]) -> None:
        """The measures of one moment."""
        for key, value in row.items():
            column = self._columns.setdefault(key, [])
            self._fill(key, column)
            column.append(round(float(value), DIGITS))
        self._at_s.append(round(at_s, DIGITS))

    def series(self) -> tuple[Series, ...]:
        """Every measure over all rows, in order of name."""
        for key, column in self._columns.items():
            self._fill(key, column)
        return tuple(Series(*key, tuple(self._columns[key])) for key in sorted(self._columns))

    def _fill(self, key: Key, column: list[float | None]) -> None:
        absent = 0.0 if key[0] in COUNTS else None
        column.extend([absent] * (len(self._at_s) - len(column)))
