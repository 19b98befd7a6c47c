"""Scales: values to places on the paper, and which values get a label."""

from __future__ import annotations

import math
from dataclasses import dataclass

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_SPANS_S = (
    (0.01, "10 ms"),
    (0.1, "0.1 s"),
    (1.0, "1 s"),
    (10.0, "10 s"),
    (60.0, "1 min"),
    (600.0, "10 min"),
    (3_600.0, "1 h"),
    (21_600.0, "6 h"),
    (86_400.0, "1 d"),
    (604_800.0, "7 d"),
)


@dataclass(frozen=True, slots=True)
class Linear:
    """From `low`…`high` to `start`…`stop`."""

    low: float
    high: float
    start: float
    stop: float

    def __call__(self, value: float) -> float:
        """The place of a value."""
        width = self.high - self.low
        return self.start + (self.stop - self.start) * ((value - self.low) / width if width else 0.0)


@dataclass(frozen=True, slots=True)
class Logarithmic:
    """As Linear, each factor of ten equally wide. What is below `low` is drawn at `low`."""

    low: float
    high: float
    start: float
    stop: float

    def __call__(self, value: float) -> float:
        """The place of a value."""
        share = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        return self.start + (self.stop - self.start) * share


def round_ticks(highest: float, wanted: int = 4, least_step: float = 0.0) -> list[float]:
    """Round values from 0 to the first that is not below `highest`, about `wanted` steps."""
    if highest <= 0:
        return [0.0, 1.0]
    rough = max(highest / wanted, least_step)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(one * power for one in _STEPS if one * power >= rough * (1 - 1e-9))
    return [step * number for number in range(math.ceil(highest / step - 1e-9) + 1)]


def span_ticks(lowest_s: float, highest_s: float) -> list[tuple[float, str]]:
    """Lengths of time that people think in, from just below `lowest_s` to just above `highest_s`."""
    below = [index for index, (span_s, _) in enumerate(_SPANS_S) if span_s <= lowest_s]
    above = [index for index, (span_s, _) in enumerate(_SPANS_S) if span_s >= highest_s]
    first = below[-1] if below else 0
    last = above[0] if above else len(_SPANS_S) - 1
    return list(_SPANS_S[first : max(last, first + 1) + 1])
