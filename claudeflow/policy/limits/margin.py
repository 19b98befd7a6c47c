"""Margin: θ, the share of the limits that is used, and the burst: what headers do not say, learned.

A 429 cuts θ, at most once per episode; calm lets it grow back to 1. Each cut also halves the
growth, which recovers more slowly: a lasting cause is touched now and then, a passing one is soon
forgotten. A 429 while every bucket of the server shows room comes from a window shorter than a
minute: then it is the burst that must be smaller.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le

Share = Annotated[float, Gt(0), Le(1)]

LEAST_GROWTH_SHARE = 0.2
"""Growth never falls below this share of what it is in calm: from 0.7 it takes less than two minutes."""
GROWTH_DOUBLES_IN_S = 60.0
HIDDEN_WINDOW_S = 1.0
"""The documented example of a hidden window ("60 RPM can act as 1/s"): the first guess."""
LEAST_BURST_S = 0.1
BURST_DOUBLES_IN_S = 900.0


@dataclass(frozen=True, slots=True)
class MarginSettings:
    """How θ moves: `cut` is its factor on a 429, `growth` what it gains in a calm second."""

    cold_theta: Share = 0.5
    floor: Share = 0.25
    cut: Share = 0.9
    growth: Annotated[float, Ge(0), Le(1)] = 0.01
    burst_s: Annotated[float, Gt(0), Le(60)] = 5.0


class Margin:
    """θ and the burst of one pool. Times are monotonic seconds."""

    def __init__(self, settings: MarginSettings, now: float) -> None:
        self._settings = settings
        self._growth = settings.growth
        self._as_of = now
        self.theta = settings.cold_theta
        self.burst_s = settings.burst_s

    @property
    def is_calm(self) -> bool:
        """Whether nothing is held back."""
        return self.theta >= 1.0 and self.burst_s >= self._settings.burst_s

    def advance(self, now: float, *, calm: bool) -> None:
        """Time has passed; θ grows when it was calm."""
        passed_s = now - self._as_of
        if passed_s <= 0:
            return
        self._as_of = now
        if not calm:
            return
        if self.theta < 1.0:
            self.theta = min(1.0, self.theta + self._growth * passed_s)
        if self._growth < self._settings.growth:
            self._growth = min(self._settings.growth, self._growth * _doubled(passed_s, GROWTH_DOUBLES_IN_S))
        if self.burst_s < self._settings.burst_s:
            self.burst_s = min(self._settings.burst_s, self.burst_s * _doubled(passed_s, BURST_DOUBLES_IN_S))

    def cut(self) -> None:
        """A new episode of 429s: use less, and grow more slowly for a while."""
        self.theta = max(self._settings.floor, self.theta * self._settings.cut)
        self.slow_down()

    def slow_down(self) -> None:
        """Halve the growth."""
        self._growth = max(LEAST_GROWTH_SHARE * self._settings.growth, self._growth / 2.0)

    def window_found(self) -> None:
        """A window shorter than a minute turned a call away: first a shorter burst, then a lower θ."""
        if self.burst_s < self._settings.burst_s:
            self.cut()
        self.shorten()

    def shorten(self) -> None:
        """There is a window shorter than our burst."""
        self.burst_s = max(LEAST_BURST_S, min(self.burst_s / 2.0, HIDDEN_WINDOW_S))

    def memory(self) -> dict[str, Any]:
        """What is worth keeping over a restart."""
        return {"theta": self.theta, "growth": self._growth, "burst_s": self.burst_s}

    def recall(self, memory: dict[str, Any], now: float) -> None:
        """Take up what an earlier process knew, within the present settings."""
        settings = self._settings
        self._as_of = now
        self.theta = min(1.0, max(settings.floor, float(memory.get("theta", self.theta))))
        self._growth = min(settings.growth, max(0.0, float(memory.get("growth", self._growth))))
        burst_s = float(memory.get("burst_s", self.burst_s))
        self.burst_s = min(settings.burst_s, max(LEAST_BURST_S, burst_s))


def _doubled(passed_s: float, doubles_in_s: float) -> float:
    return float(2.0 ** min(60.0, passed_s / doubles_in_s))
