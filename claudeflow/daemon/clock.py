"""Time and chance. Below the daemon everybody is told what they are."""

from __future__ import annotations

import random
import time
from typing import Protocol


class Clock(Protocol):
    """Where the daemon gets time and chance from."""

    def monotonic(self) -> float:
        """Seconds that never go back, for waiting and pacing."""
        ...

    def epoch_ms(self) -> int:
        """Whole milliseconds since the epoch, for the store and for people."""
        ...

    def chance(self) -> float:
        """A number in [0, 1)."""
        ...


class SystemClock:
    """The host's clock and a generator of its own."""

    def __init__(self) -> None:
        self._random = random.Random()  # noqa: S311 - jitter, not secrets

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

    def epoch_ms(self) -> int:
        """Whole milliseconds since the epoch."""
        return time.time_ns() // 1_000_000

    def chance(self) -> float:
        """A number in [0, 1)."""
        return self._random.random()
