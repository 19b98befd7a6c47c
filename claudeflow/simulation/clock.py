"""The daemon's time and chance within a simulation."""

from __future__ import annotations

import asyncio
import random


class SimulatedClock:
    """The running loop's time; `epoch_s` is the date at its second 0. Chance is seeded."""

    def __init__(self, epoch_s: float, seed: int) -> None:
        self._epoch_s = epoch_s
        self._random = random.Random(seed)  # noqa: S311 - jitter, not secrets

    def monotonic(self) -> float:
        """Virtual seconds."""
        return asyncio.get_running_loop().time()

    def epoch_ms(self) -> int:
        """Whole milliseconds since 1970, as the simulated hosts see them."""
        return int((self._epoch_s + self.monotonic()) * 1000)

    def chance(self) -> float:
        """A number in [0, 1)."""
        return self._random.random()
