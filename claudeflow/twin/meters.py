"""Cumulative meters of every pool: two readings give the exact use of the time between them."""

from __future__ import annotations

from dataclasses import dataclass

from claudeflow.twin.pool import Axis, Pool


@dataclass(frozen=True, slots=True)
class Meter:
    """One axis of a pool, as the organisation's limit counts it.

    `limit` is per minute and `level` what is in the bucket now. The rest only counts on: `granted` is what
    the bucket refilled at the limits then in force, whether or not it was full; `used` is what we drew
    (estimates that were too high are taken back); `others` is what other users drew.
    """

    limit: int
    level: float
    granted: float
    used: float
    others: float


@dataclass(frozen=True, slots=True)
class PoolMeters:
    """The meters of one pool. `refused` counts calls that were not served, by limit or kind of fault."""

    requests: Meter
    input_tokens: Meter
    output_tokens: Meter
    refused: dict[str, int]

    @property
    def axes(self) -> dict[str, Meter]:
        """The meters by the name of their axis."""
        return {
            "requests": self.requests,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
        }


@dataclass(frozen=True, slots=True)
class Meters:
    """All pools at one moment, `at_s` seconds from the twin's start."""

    at_s: float
    pools: dict[str, PoolMeters]


def read_pool(pool: Pool, now: float) -> PoolMeters:
    """The meters of a pool at monotonic `now`."""
    requests, incoming, outgoing = (_read_axis(axis, now) for axis in pool.axes)
    return PoolMeters(requests, incoming, outgoing, dict(pool.refused))


def _read_axis(axis: Axis, now: float) -> Meter:
    gauge, bucket = axis.gauge(now), axis.own.minute
    return Meter(gauge.limit, gauge.level, bucket.granted, bucket.used, bucket.others)
