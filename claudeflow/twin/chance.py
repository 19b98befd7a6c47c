"""Repeatable chance: numbers that follow from a seed and from the bytes of a request alone."""

from __future__ import annotations

from hashlib import blake2b
from math import exp
from statistics import NormalDist

_MASK = (1 << 64) - 1
_STANDARD_NORMAL = NormalDist()


class Chance:
    """A small stream of random numbers (SplitMix64), cheap enough to have one for each call."""

    __slots__ = ("_state",)

    def __init__(self, seed: int, material: bytes) -> None:
        digest = blake2b(material, digest_size=8, key=seed.to_bytes(8, "big", signed=True)).digest()
        self._state = int.from_bytes(digest, "big")

    def below(self, bound: int) -> int:
        """A whole number in [0, bound)."""
        return self._next() % bound

    def share(self) -> float:
        """A number in (0, 1)."""
        return (self._next() + 0.5) / (_MASK + 1.0)

    def log_normal(self, median: float, sigma: float) -> float:
        """A positive number whose logarithm has deviation `sigma`; the median itself at sigma 0."""
        if sigma == 0.0:
            return median
        share = min(max(self.share(), 1e-9), 1 - 1e-9)
        return median * exp(sigma * _STANDARD_NORMAL.inv_cdf(share))

    def _next(self) -> int:
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        mixed = self._state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return mixed ^ (mixed >> 31)
