"""The twin's only source of time, so that a real and a simulated hour run the same code."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """What the twin asks about time."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment; never goes back."""

    def epoch(self) -> float:
        """Seconds since 1970 in UTC."""

    async def sleep(self, delay_s: float) -> None:
        """Return after `delay_s` seconds."""


class LoopClock:
    """Time of the running event loop; a loop with virtual time therefore drives the twin as well.

    It counts from the moment when it is first asked, wherever the loop's own time begins.
    `epoch_origin_s` is what `epoch()` is at that moment; None means the machine's clock.
    """

    def __init__(self, epoch_origin_s: float | None = None) -> None:
        self._epoch_origin_s = epoch_origin_s
        self._started_at: float | None = None

    def monotonic(self) -> float:
        """Seconds of the running loop since it was first asked."""
        now = asyncio.get_running_loop().time()
        if self._started_at is None:
            self._started_at = now
            if self._epoch_origin_s is None:
                self._epoch_origin_s = time.time()
        return now - self._started_at

    def epoch(self) -> float:
        """Seconds since 1970 that advance with the loop."""
        now = self.monotonic()
        assert self._epoch_origin_s is not None
        return self._epoch_origin_s + now

    async def sleep(self, delay_s: float) -> None:
        """Wait on the running loop."""
        await asyncio.sleep(delay_s)
