"""Balance: what caching has cost and saved, so that trying it out never costs more than a small part.

Whatever the choices are made by, marking stops when writes that nobody read have used up the
allowance. Money is in pico-dollars, estimated while a call is under way and exact once it is settled.
"""

from __future__ import annotations

from dataclasses import dataclass, field

ALLOWANCE = 0.0095
"""The part of what calls cost without caching that it may cost on top."""

FIRST_CALLS = 60
"""The allowance of as many calls may be spent before they have come."""

TOKENS_PER_BYTE = 0.3
LEARN = 0.2
AGE_AT_CALLS = 5_000


@dataclass(slots=True)
class Balance:
    """What some calls cost without caching, answers included, and what caching added (negative: saved)."""

    calls: float = 0.0
    uncached: float = 0.0
    excess: float = 0.0
    tokens_per_byte: float = TOKENS_PER_BYTE
    _under_way: dict[int, tuple[float, float]] = field(default_factory=dict)

    def estimate(self, input_bytes: int) -> float:
        """How many tokens an input of this size probably has."""
        return input_bytes * self.tokens_per_byte

    def allows(self, uncached: float, risk: float, *, alone: bool = False) -> bool:
        """Whether a call may add `risk` in the worst case; `uncached` is its cost without caching.

        `alone`: what calls under way may add does not count.
        """
        calls = self.calls + len(self._under_way) + 1
        total = self.uncached + uncached + sum(cost for cost, _ in self._under_way.values())
        others = 0.0 if alone else sum(risk for _, risk in self._under_way.values())
        return self.excess + others + risk <= ALLOWANCE * total * max(1.0, FIRST_CALLS / calls)

    def begin(self, job_id: int, uncached: float, risk: float) -> None:
        """A call goes out that may add `risk`."""
        self._under_way[job_id] = (uncached, risk)

    def give_up(self, job_id: int) -> tuple[float, float]:
        """It failed, or never left; what was at stake."""
        return self._under_way.pop(job_id, (0.0, 0.0))

    def settle(self, job_id: int, uncached: float, excess: float) -> None:
        """It is paid."""
        self._under_way.pop(job_id, None)
        self.calls += 1
        self.uncached += uncached
        self.excess += excess
        if self.calls > AGE_AT_CALLS:
            self.calls, self.uncached, self.excess = self.calls / 2, self.uncached / 2, self.excess / 2

    def learn_size(self, input_bytes: int, tokens: int) -> None:
        """How many tokens an input turned out to have."""
        if input_bytes:
            self.tokens_per_byte += LEARN * (tokens / input_bytes - self.tokens_per_byte)

    def memory(self) -> list[float]:
        """What is worth keeping, as JSON."""
        return [self.calls, self.uncached, self.excess, self.tokens_per_byte]
