"""Other users of the same organisation, who draw on the same limits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from math import inf
from typing import Any

from claudeflow.twin.chance import Chance
from claudeflow.twin.entries import (
    KNOWN_MODEL,
    POOL,
    SECONDS,
    SHARE,
    Check,
    check_keys,
    check_values,
    number,
    tables,
)
from claudeflow.twin.models import FAST_SUFFIX, find_model
from claudeflow.twin.tiers import Limits

_AMOUNTS = ("rpm", "itpm", "otpm", "share", "rpm_share", "itpm_share", "otpm_share")
_ANY: Check = (number(0), "a number from 0 up")
_CHECKS: dict[str, Check] = {
    "model": KNOWN_MODEL,
    "pool": POOL,
    "from_s": SECONDS,
    "until_s": SECONDS,
    "period_s": (lambda value: number(0)(value) and value > 0, "seconds above 0"),
    "duty": (lambda value: number(0, 1)(value) and value > 0, "a number above 0 and up to 1"),
    "rpm": _ANY,
    "itpm": _ANY,
    "otpm": _ANY,
    "share": SHARE,
    "rpm_share": _ANY,
    "itpm_share": _ANY,
    "otpm_share": _ANY,
}


@dataclass(frozen=True, slots=True)
class Consumer:
    """One other user. Without a pool it draws the same on each of them.

    - `from_s`, `until_s`: when it is there, in seconds from the twin's start
    - `rpm`, `itpm`, `otpm`: what it draws a minute on average
    - `rpm_share`, `itpm_share`, `otpm_share`: the same as a share of the limit in force, added to the
      numbers; `share` stands for those of the three that are not given
    - `period_s`, `duty`: it draws only during this share of each period, at a moment that chance picks, and
      then `1/duty` times as much
    """

    model: str | None = None
    pool: str | None = None
    from_s: float = 0.0
    until_s: float = inf
    rpm: float = 0.0
    itpm: float = 0.0
    otpm: float = 0.0
    share: float = 0.0
    rpm_share: float | None = None
    itpm_share: float | None = None
    otpm_share: float | None = None
    period_s: float | None = None
    duty: float = 1.0

    def draws_on(self, pool: str) -> bool:
        """Whether it uses models of this pool; nobody else uses fast mode."""
        if pool.endswith(FAST_SUFFIX):
            return False
        if self.model is not None:
            model = find_model(self.model)
            return model is not None and model.pool == pool
        return self.pool is None or self.pool == pool

    def per_minute(self, limits: Limits) -> tuple[float, float, float]:
        """Requests, input and output tokens under these limits."""
        return (
            self.rpm + self._share(self.rpm_share) * limits.rpm,
            self.itpm + self._share(self.itpm_share) * limits.itpm,
            self.otpm + self._share(self.otpm_share) * limits.otpm,
        )

    def phases(self, seed: int, number: int) -> Iterator[tuple[float, float]]:
        """When its draw changes, in seconds from the start, and to how many times the average."""
        if self.period_s is None:
            yield self.from_s, 1.0
        else:
            yield from self._bursts(self.period_s, seed, number)
        if self.until_s < inf:
            yield self.until_s, 0.0

    def _share(self, own: float | None) -> float:
        return self.share if own is None else own

    def _bursts(self, period_s: float, seed: int, number: int) -> Iterator[tuple[float, float]]:
        free_s = period_s * (1.0 - self.duty)
        for period in count():
            start_s = self.from_s + period * period_s
            start_s += Chance(seed, b"burst %d %d" % (number, period)).share() * free_s
            if start_s >= self.until_s:
                return
            yield start_s, 1.0 / self.duty
            end_s = start_s + self.duty * period_s
            if end_s >= self.until_s:
                return
            yield end_s, 0.0


def parse_consumers(entries: Any) -> tuple[Consumer, ...]:
    """Check `[[consumer]]` entries. Raises ValueError naming the entry and what is allowed."""
    found = []
    for where, entry in tables("consumer", entries):
        check_keys(where, entry, _CHECKS)
        check_values(where, entry, _CHECKS)
        if "model" in entry and "pool" in entry:
            raise ValueError(f"{where}: give model or pool, not both")
        if not any(entry.get(name) for name in _AMOUNTS):
            raise ValueError(f"{where}: draws nothing; give at least one of {', '.join(_AMOUNTS)}")
        if "duty" in entry and "period_s" not in entry:
            raise ValueError(f"{where}: duty needs period_s")
        consumer = Consumer(**entry)
        if consumer.until_s <= consumer.from_s:
            raise ValueError(f"{where}: until_s must be later than from_s ({consumer.from_s:g})")
        found.append(consumer)
    return tuple(found)
