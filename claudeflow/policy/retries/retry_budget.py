"""Retry budget: retries are a small share of a pool's traffic, and never come in a herd.

A token bucket as in Finagle and Envoy, with one difference: whoever finds it empty is told when
its token will be there, one after the other, so a thousand calls that fail together come back
one by one. Nothing fails for want of a token.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Le

TRAFFIC_MEMORY_S = 30.0
"""How quickly the rate of first attempts follows the traffic."""


@dataclass(frozen=True, slots=True)
class BudgetSettings:
    """How many retries there may be: `share` of the first attempts, and `floor_per_s` in any case.

    `burst` retries may go without waiting for their turn after a quiet time.
    """

    share: Annotated[float, Gt(0), Le(1)] = 0.1
    floor_per_s: Annotated[float, Gt(0)] = 0.5
    burst: Annotated[float, Ge(1)] = 10.0


class RetryBudget:
    """The budget of one pool. `now` is monotonic seconds."""

    def __init__(self, settings: BudgetSettings, now: float) -> None:
        self._settings = settings
        self._level = settings.burst
        self._firsts_per_s = 0.0
        self._at = now

    def reconfigure(self, settings: BudgetSettings) -> None:
        """New settings hold from now on."""
        self._settings = settings

    def first_attempt(self, now: float) -> None:
        """A job was tried for the first time."""
        self._advance(now)
        self._firsts_per_s += 1 / TRAFFIC_MEMORY_S

    def retry(self, now: float, jitter: float) -> float:
        """A job is to be tried again: seconds until its turn. `jitter` in [0, 1) places it within it."""
        self._advance(now)
        self._level -= 1
        if self._level >= 0:
            return 0.0
        return (jitter - self._level) / self._refill_per_s()

    def _advance(self, now: float) -> None:
        passed_s = max(0.0, now - self._at)
        self._at += passed_s
        settings, before = self._settings, self._firsts_per_s
        self._firsts_per_s *= math.exp(-passed_s / TRAFFIC_MEMORY_S)
        firsts = (before - self._firsts_per_s) * TRAFFIC_MEMORY_S
        gained = settings.floor_per_s * passed_s + settings.share * firsts
        self._level = min(settings.burst, self._level + gained)

    def _refill_per_s(self) -> float:
        return self._settings.floor_per_s + self._settings.share * self._firsts_per_s
