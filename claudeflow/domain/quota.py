"""Quota: what a call is expected to need, and what the rate-limit headers said."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Axis(StrEnum):
    """The allowances of a pool (Rate limits: RPM, ITPM, OTPM). Demand and Reading name them alike.

    `tokens` is input plus output together: it binds only where a workspace has a limit of its own.
    """

    REQUESTS = "requests"
    INPUT_TOKENS = "input_tokens"
    OUTPUT_TOKENS = "output_tokens"
    TOKENS = "tokens"


OWN_AXES = (Axis.REQUESTS, Axis.INPUT_TOKENS, Axis.OUTPUT_TOKENS)
"""The three that every pool has."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What one call is expected to draw from each bucket."""

    input_tokens: float
    output_tokens: float
    requests: float = 1.0

    @property
    def tokens(self) -> float:
        """Input and output together."""
        return self.input_tokens + self.output_tokens

    def on(self, axis: Axis) -> float:
        """The part of the demand that falls on one axis."""
        amount: float = getattr(self, axis)
        return amount


@dataclass(frozen=True, slots=True)
class AxisReading:
    """One header family of one response (`anthropic-ratelimit-<axis>-*`).

    `full_in_s` is `reset` minus the server's own `date`: seconds until the bucket is completely
    full; zero or negative is normal. Any field may be missing, which means "no information".
    """

    limit: int | None = None
    remaining: int | None = None
    full_in_s: float | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What one response's headers said about the buckets of its pool."""

    requests: AxisReading | None = None
    input_tokens: AxisReading | None = None
    output_tokens: AxisReading | None = None
    tokens: AxisReading | None = None

    def on(self, axis: Axis) -> AxisReading | None:
        """The reading of one axis, if its headers were there."""
        reading: AxisReading | None = getattr(self, axis)
        return reading
