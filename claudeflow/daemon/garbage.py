"""Garbage: collected in quiet moments, because a collection stops the event loop.

With the SDK imported a full collection walks 160,000 objects (100 ms), and under load even the young
generations hold the objects of every call in flight (30 to 90 ms). Almost everything that a job
leaves behind is freed by its reference count, so what is left can wait.
"""

from __future__ import annotations

import gc
from collections.abc import Callable

LONGEST_WAIT_S = 600.0
"""A daemon that is never quiet collects this often all the same."""


class GarbageKeeper:
    """Collects when nothing runs. Times are monotonic seconds."""

    def __init__(self, is_quiet: Callable[[], bool], now: float) -> None:
        self._is_quiet = is_quiet
        self._collected_at = now

    def take_over(self) -> None:
        """Replace the automatic collector; what start-up left behind is never looked at again."""
        gc.collect()
        gc.freeze()
        gc.disable()

    def tidy(self, now: float) -> None:
        """Call every few seconds."""
        if self._is_quiet() or now - self._collected_at >= LONGEST_WAIT_S:
            gc.collect()
            self._collected_at = now
