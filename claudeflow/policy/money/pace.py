"""Pace: calls that a budget covers are slowed so that what is left lasts to the end of its period.

Each pace is a bucket of nano-dollars. A call may go while the bucket is not in debt, and then takes
what it is expected to cost; so calls that are dearer than the bucket go one at a time. The rate
follows from what is really left, so errors of what was expected correct themselves.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from claudeflow.policy.money.scopes import BudgetScope, CallScope

BURST_S = 60.0
"""How many seconds' worth may go at once after a quiet time."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast the calls of `scope` may spend, by the word of the budget `name`."""

    name: str
    scope: BudgetScope
    nanousd_per_s: float


@dataclass(frozen=True, slots=True)
class Slowed:
    """A call must wait for its turn. `until` is monotonic seconds, None while nothing is left to pace."""

    pace: Pace
    until: float | None


@dataclass(slots=True)
class _Bucket:
    pace: Pace
    level: float
    at: float

    def refill(self, now: float) -> None:
        most = self.pace.nanousd_per_s * BURST_S
        self.level = min(max(most, self.level), self.level + (now - self.at) * self.pace.nanousd_per_s)
        self.at = now


class PaceBook:
    """The paces in force. `now` is monotonic seconds."""

    def __init__(self) -> None:
        self._buckets: dict[str, _Bucket] = {}

    def keep(self, paces: Iterable[Pace], now: float) -> bool:
        """Exactly these are in force from now on; whether some began, ended, or may go faster."""
        wanted = {pace.name: pace for pace in paces}
        changed = wanted.keys() != self._buckets.keys()
        for name in self._buckets.keys() - wanted.keys():
            del self._buckets[name]
        for name, pace in wanted.items():
            bucket = self._buckets.setdefault(name, _Bucket(pace, 0.0, now))
            bucket.refill(now)
            changed = changed or pace.nanousd_per_s > 1.5 * bucket.pace.nanousd_per_s
            bucket.pace = pace
        return changed

    def slowed(self, call: CallScope, now: float) -> Slowed | None:
        """Whose turn the call must wait for; None when it may go."""
        found = None
        for bucket in self._covering(call):
            bucket.refill(now)
            if bucket.pace.nanousd_per_s <= 0:
                return Slowed(bucket.pace, None)
            until = now - bucket.level / bucket.pace.nanousd_per_s
            if until > now and (found is None or until > (found.until or 0)):
                found = Slowed(bucket.pace, until)
        return found

    def went(self, call: CallScope, expected_nanousd: int, now: float) -> None:
        """A call goes that is expected to cost so much."""
        for bucket in self._covering(call):
            bucket.refill(now)
            bucket.level -= expected_nanousd

    def _covering(self, call: CallScope) -> list[_Bucket]:
        return [bucket for bucket in self._buckets.values() if bucket.pace.scope.covers(call)]
