"""Rows that status and reports are made of. Times in seconds, money in nano-dollars."""

from __future__ import annotations

from dataclasses import dataclass

from claudeflow.domain.hold import Hold
from claudeflow.domain.quota import Axis


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One try at a job, with the call that served it.

    `call_state` is `settled`, `unknown` (the cost is at most `reserved_nanousd`) or `open`.
    """

    number: int
    call_id: int
    outcome: str
    used_attempt: int
    ended_ms: int
    cost_nanousd: int
    error_type: str | None
    call_state: str
    reserved_nanousd: int
    http_status: int | None
    request_id: str | None
    input_tokens: int | None
    cache_write_tokens: int | None
    cache_read_tokens: int | None
    output_tokens: int | None


@dataclass(frozen=True, slots=True)
class LaneStatus:
    """One lane now, and what it did since the daemon started.

    `oldest_age_s` is the age of its oldest queued job; the waits are from submit to first call.
    """

    lane: str
    queued: int
    running: int
    succeeded: int
    failed: int
    oldest_age_s: float | None
    wait_p50_s: float | None
    wait_p95_s: float | None
    input_tokens: int
    cache_read_tokens: int
    output_tokens: int
    cost_nanousd: int
    uncached_nanousd: int


@dataclass(frozen=True, slots=True)
class BucketStatus:
    """One bucket now. `level` may be negative (debt); `limit_per_min` is the last one known."""

    axis: Axis
    limit_per_min: float
    level: float
    capacity: float


@dataclass(frozen=True, slots=True)
class PoolStatus:
    """One pool now: its buckets, its learned margin θ, its gate and its ceiling."""

    pool: str
    theta: float
    limits_known: bool
    gate_closed_for_s: float
    ceiling: int
    in_flight: int
    throttled_calls: int
    buckets: tuple[BucketStatus, ...]


@dataclass(frozen=True, slots=True)
class Spend:
    """Money in the books: settled, what it would have been uncached, and the bound on unknown calls."""

    settled_nanousd: int
    uncached_nanousd: int
    calls: int
    unknown_calls: int
    unknown_bound_nanousd: int


@dataclass(frozen=True, slots=True)
class Status:
    """What `claudeflow status` shows."""

    version: str
    instance: str
    phase: str
    started_ms: int
    now_ms: int
    lanes: tuple[LaneStatus, ...]
    pools: tuple[PoolStatus, ...]
    holds: tuple[Hold, ...]
    spend: Spend
