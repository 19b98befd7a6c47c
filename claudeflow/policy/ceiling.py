"""Ceiling: how many calls may be in flight at once. A safety net, not the controller.

AIMD over the signals that buckets cannot see (529, 5xx, timeouts, lost connections), as in
Netflix's concurrency-limits: it doubles while young, grows by one a round trip once it has been
cut, and only while it is really used; calls begun before a cut cannot cut again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Lt


@dataclass(frozen=True, slots=True)
class CeilingSettings:
    """Bounds on calls in flight per pool."""

    initial: Annotated[int, Ge(1)] = 16
    minimum: Annotated[int, Ge(1)] = 1
    maximum: Annotated[int, Ge(1)] = 4000
    shrink: Annotated[float, Gt(0), Lt(1)] = 0.7


USED_SHARE_TO_GROW = 0.8


class Ceiling:
    """The current bound on simultaneous calls of a pool."""

    def __init__(self, settings: CeilingSettings) -> None:
        self._settings = settings
        self._bound = float(settings.initial)
        self._young = True
        self._cut_at = float("-inf")

    @property
    def bound(self) -> int:
        """How many calls may be in flight."""
        return int(self._bound)

    def call_ended_well(self, in_flight: int) -> None:
        """A call came back; `in_flight` counts it too."""
        if in_flight < USED_SHARE_TO_GROW * self._bound:
            return
        step = 1.0 if self._young else 1.0 / self._bound
        self._bound = min(float(self._settings.maximum), self._bound + step)

    def call_failed(self, begun_at: float, now: float) -> None:
        """A call showed that the other side is short of capacity."""
        if begun_at <= self._cut_at:
            return
        self._young = False
        self._cut_at = now
        self._bound = max(float(self._settings.minimum), self._bound * self._settings.shrink)
