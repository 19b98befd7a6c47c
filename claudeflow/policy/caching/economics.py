"""Economics: what a prefix would have cost uncached, kept for 5 minutes and kept for an hour.

No call has to be spent on finding out. Every call names its levels, marked or not, so what each
choice would have cost is known from the times of the calls alone. Costs are in units of the price
of uncached input: not to cache costs 1 a call.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from claudeflow.policy.caching.paths import TTL_S, Ttl
from claudeflow.policy.money.pricing import Rates

OWN_MEMORY = 0.9
"""What each further call leaves of a prefix's past: about its last ten calls count."""

GROUP_MEMORY = 0.97

GROUP_WEIGHT = 1.0
"""How many calls of its own the experience with others of its group is worth to a prefix."""

OWN_CALLS = 2.5
"""From so many calls on a prefix is said to be judged by itself."""

YOUNG = 3
"""As many first calls of each prefix tell what a new one of its group may expect."""

HYSTERESIS = 0.95
"""A change must promise to cost no more than this part of what the present choice costs."""

HOPE_WEIGHT = 2.0
HOPE = 0.6
"""What is hoped of a TTL as long as nothing is known: three writes that are never read use it up at 5 m."""

SURE_HOPE = 0.3
"""The same where the TTL is set: at 1 h, where a write costs 2, one such write uses it up."""

HOUR_HOPE = 0.75


PROOF_CALLS = 2.5
PROOF = 0.6
"""What a call may have cost, on average, for a TTL to count as one that pays."""


@dataclass(frozen=True, slots=True)
class Ratios:
    """Prices of cached tokens, as multiples of the price of uncached input."""

    read: float
    write_5m: float
    write_1h: float

    @classmethod
    @lru_cache(maxsize=64)
    def of(cls, rates: Rates) -> Ratios:
        """The ratios of a model's prices; all 1 for a model whose input is free."""
        if not rates.input:
            return cls(1.0, 1.0, 1.0)
        return cls(rates.read / rates.input, rates.write_5m / rates.input, rates.write_1h / rates.input)

    def write(self, ttl: Ttl) -> float:
        """What it costs to write a token."""
        return self.write_5m if ttl == "5m" else self.write_1h


@dataclass(slots=True)
class Record:
    """Fading sums over calls: how many, and what they would have cost by TTL."""

    calls: float = 0.0
    five: float = 0.0
    hour: float = 0.0

    def add(self, gap_s: float, ratios: Ratios, memory: float) -> None:
        """One more call, `gap_s` seconds after the one before."""
        self.calls = self.calls * memory + 1.0
        self.five = self.five * memory + _cost("5m", gap_s, ratios)
        self.hour = self.hour * memory + _cost("1h", gap_s, ratios)

    def seen_after(self, gap_s: float, ratios: Ratios) -> Record:
        """The record with one more call of its own."""
        more = Record(self.calls, self.five, self.hour)
        more.add(gap_s, ratios, OWN_MEMORY)
        return more

    def shows_that_it_pays(self, ttl: Ttl) -> bool:
        """Whether some calls have come of which most would have found the prefix in the cache."""
        cost = self.five if ttl == "5m" else self.hour
        return self.calls >= PROOF_CALLS and cost <= PROOF * self.calls


@dataclass(frozen=True, slots=True)
class Choice:
    """For how long a prefix is kept, None: not at all; and what it was chosen by.

    `five` and `hour`: what a call is expected to cost with either TTL, None where that was no choice.
    `by_itself`: its own calls told. A choice without any costs is the caller's.
    """

    ttl: Ttl | None
    five: float | None = None
    hour: float | None = None
    by_itself: bool = False

    @property
    def why(self) -> str:
        """The reason in words."""
        costs = [
            f"{ttl} {cost:.2f}" for ttl, cost in (("5m", self.five), ("1h", self.hour)) if cost is not None
        ]
        if not costs:
            return "marked by the caller"
        verdict = "not cached" if self.ttl is None else f"kept for {self.ttl}"
        basis = "its own calls" if self.by_itself else "calls like its own"
        return f"{verdict}: by {basis} a token costs {', '.join(costs)}, uncached 1.00"


def choose(own: Record, group: Record, present: Choice | None, wanted: Literal["auto", "5m", "1h"]) -> Choice:
    """What is expected to cost least from now on, the present call being in `own`.

    `present` is what was chosen before, which a small advantage does not change.
    """
    expected = _expected(own, group, wanted)
    best = min(expected, key=lambda ttl: expected[ttl])
    if (
        present is not None
        and present.ttl in expected
        and expected[best] > HYSTERESIS * expected[present.ttl]
    ):
        best = present.ttl
    return Choice(best, expected.get("5m"), expected.get("1h"), own.calls >= OWN_CALLS)


def _expected(own: Record, group: Record, wanted: str) -> dict[Ttl | None, float]:
    """Cost of a call by choice: its own past, its group's, and hope, in falling weight."""
    five_hope = HOPE if wanted == "auto" else SURE_HOPE
    hour_hope = HOUR_HOPE if wanted == "auto" else SURE_HOPE
    known = group.calls + HOPE_WEIGHT
    five = (group.five + HOPE_WEIGHT * five_hope) / known
    hour = (group.hour + HOPE_WEIGHT * hour_hope) / known
    weight = own.calls + GROUP_WEIGHT
    costs: dict[Ttl | None, float] = {None: 1.0}
    if wanted != "1h":
        costs["5m"] = (own.five + GROUP_WEIGHT * five) / weight
    if wanted != "5m":
        costs["1h"] = (own.hour + GROUP_WEIGHT * hour) / weight
    return costs


def _cost(ttl: Ttl, gap_s: float, ratios: Ratios) -> float:
    return ratios.read if gap_s < TTL_S[ttl] else ratios.write(ttl)
