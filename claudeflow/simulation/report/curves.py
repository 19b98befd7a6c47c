"""Curves: the series of a result as plots want them: per minute, as shares, summed up, on shared moments."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate

from claudeflow.domain.quota import Axis
from claudeflow.simulation.result import Result

Values = Sequence[float | None]
Curve = Callable[[Result], Values]
"""Takes from a result a value for each of its moments; None where it is not known."""

WINDOW_S = 60.0
"""What is shown per minute is what happened in the minute before."""


def measured(measure: str, of: str) -> Curve:
    """A measure of one lane or pool as it is."""
    return lambda result: result.values(measure, of) or [None] * len(result.at_s)


def summed(measure: str) -> Curve:
    """A measure over all lanes or pools."""

    def curve(result: Result) -> Values:
        columns = [series.values for series in result.series if series.measure == measure]
        if not columns:
            return [0.0] * len(result.at_s)
        return [sum(value or 0.0 for value in row) for row in zip(*columns, strict=True)]

    return curve


def per_minute(counts: Curve) -> Curve:
    """Counts between moments as a rate over the minute before each."""

    def curve(result: Result) -> Values:
        amounts, lengths_s = _windowed(result.at_s, counts(result))
        told = zip(amounts, lengths_s, strict=True)
        return [amount * 60 / length_s if length_s else None for amount, length_s in told]

    return curve


def so_far(counts: Curve) -> Curve:
    """Everything up to each moment."""
    return lambda result: list(accumulate(value or 0.0 for value in counts(result)))


def drawn(pool: str, axis: Axis, *, by_all: bool) -> Curve:
    """What we, or all users together, drew in the minute before, as a share of what was granted in it."""

    def curve(result: Result) -> Values:
        granted, _ = _windowed(result.at_s, result.values("granted", pool, axis))
        ours, _ = _windowed(result.at_s, result.values("used", pool, axis))
        others, _ = _windowed(result.at_s, result.values("others", pool, axis))
        parts = [own + other if by_all else own for own, other in zip(ours, others, strict=True)]
        return [part / whole if whole else None for part, whole in zip(parts, granted, strict=True)]

    return curve


def on_moments(result: Result, values: Values, moments: Sequence[float]) -> Values:
    """Values as they stood at other moments; None after the end of their own."""
    if tuple(moments) == result.at_s:
        return values
    if not result.at_s:
        return [None] * len(moments)
    last_s = result.at_s[-1]
    places = [bisect_right(result.at_s, at_s) - 1 for at_s in moments]
    known = zip(places, moments, strict=True)
    return [values[place] if place >= 0 and at_s <= last_s else None for place, at_s in known]


def _windowed(at_s: Sequence[float], counts: Values) -> tuple[list[float], list[float]]:
    """For each moment what was counted in the window before it, and the window's length in seconds."""
    amounts, lengths_s = [], []
    inside, first = 0.0, 0
    values = [value or 0.0 for value in counts] or [0.0] * len(at_s)
    for index, moment_s in enumerate(at_s):
        inside += values[index] if index else 0.0
        while first + 1 < index and at_s[first + 1] <= moment_s - WINDOW_S:
            first += 1
            inside -= values[first]
        amounts.append(max(inside, 0.0))
        lengths_s.append(moment_s - at_s[first])
    return amounts, lengths_s
