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

    `epoch_origin_s` is what `epoch()` answers when first asked; None means the machine's clock.
    """

    def __init__(self, epoch_origin_s: float | None = None) -> None:
        self._epoch_origin_s = epoch_origin_s
        self._offset_s: float | None = None

    def monotonic(self) -> float:
        """Seconds of the running loop."""
        return asyncio.get_running_loop().time()

    def epoch(self) -> float:
        """Seconds since 1970 that advance with the loop."""
        now = self.monotonic()
        if self._offset_s is None:
            origin = time.time() if self._epoch_origin_s is None else self._epoch_origin_s
            self._offset_s = origin - now
        return now + self._offset_s

    async def sleep(self, delay_s: float) -> None:
        """Wait on the running loop."""
        await asyncio.sleep(delay_s)
