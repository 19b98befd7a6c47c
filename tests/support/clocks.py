"""A clock that tests put forward."""

from __future__ import annotations

import asyncio
import random
import time


class WoundClock:
    """The host's time plus what it was put forward; chance is seeded. Serves the daemon and the twin alike.

    Timers of the event loop do not notice: wake whoever sleeps after putting it forward.
    """

    def __init__(self, seed: int = 7) -> None:
        self._ahead_s = 0.0
        self._random = random.Random(seed)

    def advance(self, seconds: float) -> None:
        """Put the clock forward."""
        self._ahead_s += seconds

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic() + self._ahead_s

    def epoch(self) -> float:
        """Seconds since 1970."""
        return time.time() + self._ahead_s

    def epoch_ms(self) -> int:
        """Whole milliseconds since 1970."""
        return int(self.epoch() * 1000)

    def chance(self) -> float:
        """A number in [0, 1)."""
        return self._random.random()

    async def sleep(self, delay_s: float) -> None:
        """Wait on the running loop."""
        await asyncio.sleep(delay_s)
