"""How much of its caps a sender has used, and whether more fits."""

from __future__ import annotations

import math
from dataclasses import dataclass

from claudeflow.domain.errors import IntakeError
from claudeflow.domain.money import dollars
from claudeflow.domain.words import plural
from claudeflow.policy.access.errors import RateCapped, SpendCapped, TooManyJobs
from claudeflow.policy.access.grants import Caps

DAY_MS = 86_400_000
QUEUE_LOOK_AGAIN_S = 30
"""When a sender of too many jobs may ask again: how fast its queue empties, nobody knows."""

SECONDS_PER_MINUTE = 60.0
MOST_KEPT = 1_024
"""So many senders are remembered before those are forgotten that sent nothing lately."""


@dataclass(frozen=True, slots=True)
class Used:
    """What a sender has in the queue, and what its jobs cost today (UTC): settled, unknown and under way."""

    queued: int = 0
    cost_nanousd: int = 0
    unknown_nanousd: int = 0
    open_nanousd: int = 0

    @property
    def spent_nanousd(self) -> int:
        """The most that today's calls come to."""
        return self.cost_nanousd + self.unknown_nanousd + self.open_nanousd


def room(name: str, caps: Caps, used: Used, now_ms: int) -> IntakeError | None:
    """Why the sender's jobs do not fit, of which the new ones are in `used` already; None when they do."""
    if caps.max_queued is not None and used.queued > caps.max_queued:
        return TooManyJobs(
            f"{name} may have {plural(caps.max_queued, 'job')} in the queue at once; come back when some "
            "are done, or ask whoever runs claudeflow for a larger max_queued",
            QUEUE_LOOK_AGAIN_S,
        )
    if caps.nanousd_per_day is not None and used.spent_nanousd >= caps.nanousd_per_day:
        return SpendCapped(
            f"the jobs of {name} have cost {dollars(used.spent_nanousd)} today (those under way at their "
            f"most) and may cost {dollars(caps.nanousd_per_day)}; come back after midnight UTC, or ask "
            "whoever runs claudeflow for a larger usd_per_day",
            math.ceil((DAY_MS - now_ms % DAY_MS) / 1000),
        )
    return None


def most_at_once(caps: Caps, most: int) -> int:
    """How many jobs to send at once, of at most so many, that ever fit together under the caps."""
    bounds = [most, caps.max_queued or most]
    if caps.jobs_per_min is not None:
        bounds.append(math.floor(_capacity(caps.jobs_per_min)))
    return min(bounds)


@dataclass(slots=True)
class _Rate:
    level: float
    as_of: float


class RateBook:
    """How many jobs each sender may send now: up to a minute's worth at once, refilling all the time.

    Times are monotonic seconds. A restart forgets it: everybody begins with a minute's worth.
    """

    def __init__(self) -> None:
        self._rates: dict[str, _Rate] = {}

    def __len__(self) -> int:
        """How many senders are remembered."""
        return len(self._rates)

    def level(self, name: str, per_min: float, now: float) -> float:
        """How many jobs the sender may send now."""
        rate = self._rates.get(name)
        if rate is None:
            return _capacity(per_min)
        since_s = max(0.0, now - rate.as_of)
        return min(_capacity(per_min), rate.level + since_s * per_min / SECONDS_PER_MINUTE)

    def draw(self, name: str, jobs: int, per_min: float, now: float) -> IntakeError | None:
        """Count these jobs, or say why they do not fit: then nothing is counted."""
        level = self.level(name, per_min, now)
        if jobs > level:
            return _too_fast(name, jobs, per_min, level)
        self._forget(now)
        self._rates[name] = _Rate(level - jobs, now)
        return None

    def give_back(self, name: str, jobs: int) -> None:
        """Jobs that were counted were not taken after all."""
        if name in self._rates:
            self._rates[name].level += jobs

    def _forget(self, now: float) -> None:
        """Whoever sent nothing for a minute has its whole minute's worth again."""
        if len(self._rates) >= MOST_KEPT:
            lately = now - SECONDS_PER_MINUTE
            self._rates = {name: rate for name, rate in self._rates.items() if rate.as_of > lately}


def _capacity(per_min: float) -> float:
    return max(1.0, per_min)


def _too_fast(name: str, jobs: int, per_min: float, level: float) -> RateCapped:
    capacity = _capacity(per_min)
    rule = f"{name} may send {per_min:g} jobs a minute"
    if jobs > capacity:
        most = math.floor(capacity)
        return RateCapped(
            f"{rule}, and these are {jobs:,} at once, which never fit; send {most:,} at most in one request, "
            "or ask whoever runs claudeflow for a larger jobs_per_min"
        )
    wait_s = math.ceil((jobs - level) / per_min * SECONDS_PER_MINUTE)
    return RateCapped(f"{rule}; come back in {wait_s} s, or ask for a larger jobs_per_min", wait_s)
