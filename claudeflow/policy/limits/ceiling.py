"""Ceiling: how many calls may be in flight at once. A safety net, not the controller.

It answers the signals that buckets cannot see (529, 5xx, timeouts, lost connections, a limit on
connections). While it is really used it grows by a tenth a second, so that it never paces by
itself; trouble cuts it. After a cut it grows quickly back to where it was cut, stays there for a
while and only then tries for more (as TCP CUBIC does): a lasting bound is touched now and then
instead of all the time. One lone failure among many answers is no trouble, and calls begun before
a cut cannot cut again.
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
GROWTH_PER_S = 0.1
LEAST_GROWTH_PER_S = 0.5
HOLD_S = 30.0
"""How long the ceiling stays where it was cut after trouble."""
CONNECTIONS_HOLD_S = 110.0
"""The same after a 429 for too many connections, which names a bound rather than a bad moment."""
CONNECTIONS_SHRINK = 0.5
GENERATION_SHRINK = 0.85
TROUBLE = 0.15
"""The running share of failures above which the ceiling is cut: two in a few, not one in many."""
MEMORY = 0.1
CUT_EVERY_S = 5.0
LEAST_SHARE = 0.2
"""Of the bound at which trouble began: lasting overload slows a pool down, it does not stop it."""
PLATEAU_DECAY = 0.8
REMEMBERED_S = 120.0
"""How long after its end a hold still tells where trouble began, if there is trouble again."""
LONGEST_STEP_S = 1.0


class Ceiling:
    """The current bound on simultaneous calls of a pool. Times are monotonic seconds."""

    def __init__(self, settings: CeilingSettings) -> None:
        self._settings = settings
        self._bound = float(settings.initial)
        self._trouble = 0.0
        self._plateau = float("inf")
        self._hold_until = float("-inf")
        self._cut_at = float("-inf")
        self._used_at: float | None = None

    @property
    def bound(self) -> int:
        """How many calls may be in flight."""
        return int(self._bound)

    def note_use(self, in_flight: int, now: float) -> None:
        """Somebody asks for one more while `in_flight` calls are out: what is used may grow."""
        if in_flight > self.bound or in_flight + 1 < USED_SHARE_TO_GROW * self.bound:
            self._used_at = None
            return
        if self._used_at is not None and self._trouble < TROUBLE:
            self._grow(min(LONGEST_STEP_S, now - self._used_at), now)
        self._used_at = now

    def room_at(self, now: float) -> float:
        """When the bound will have grown by one if it stays used."""
        missing = self.bound + 1.0 - self._bound
        return now + max(0.05, missing / self._growth_per_s())

    def call_ended_well(self) -> None:
        """A call came back with an answer."""
        self._trouble *= 1.0 - MEMORY

    def call_failed(self, begun_at: float, now: float) -> None:
        """A call showed that the other side is short of capacity."""
        self._trouble += MEMORY * (1.0 - self._trouble)
        if begun_at <= self._cut_at or now < self._cut_at + CUT_EVERY_S or self._trouble < TROUBLE:
            return
        if now >= self._hold_until:
            remembered = 0.0 if now >= self._hold_until + REMEMBERED_S else PLATEAU_DECAY * self._plateau
            self._plateau = max(self._bound, remembered)
        least = LEAST_SHARE * self._plateau
        self._cut(min(self._bound, max(least, self._bound * self._settings.shrink)), HOLD_S, now)

    def outage_ended(self) -> None:
        """Nothing worked, and now it does: what failed in between said nothing of how many calls may go."""
        self._trouble = 0.0
        if self._plateau < float("inf"):
            self._bound = max(self._bound, self._plateau)

    def connection_refused(self, others: int, begun_at: float, now: float) -> None:
        """A 429 for too many connections while `others` were in flight besides.

        The refusals of one wave come one by one: when the last is counted, as many are left as
        the server had let in.
        """
        if begun_at <= self._cut_at:
            self._bound = self._plateau = max(float(self._settings.minimum), min(self._bound, float(others)))
            return
        is_lasting = now < self._hold_until
        self._cut(CONNECTIONS_SHRINK * (others + 1), CONNECTIONS_HOLD_S, now)
        self._plateau = self._bound if is_lasting else max(self._bound, float(others))

    def generation_too_fast(self, others: int, now: float) -> None:
        """Together, as many calls as this were generating faster than a short window of the server allows."""
        self._cut(GENERATION_SHRINK * (others + 1), CONNECTIONS_HOLD_S, now)
        self._plateau = self._bound

    def _cut(self, bound: float, hold_s: float, now: float) -> None:
        self._bound = max(float(self._settings.minimum), bound)
        self._cut_at = now
        self._hold_until = now + hold_s
        self._used_at = None

    def _grow(self, for_s: float, now: float) -> None:
        most = float(self._settings.maximum)
        if now < self._hold_until:
            most = min(most, max(self._plateau, self._bound))
        self._bound = min(most, self._bound + for_s * self._growth_per_s())

    def _growth_per_s(self) -> float:
        return max(LEAST_GROWTH_PER_S, GROWTH_PER_S * self._bound)
