"""Rows that status and reports are made of. Times in seconds, money in nano-dollars."""

from __future__ import annotations

from dataclasses import dataclass, field

from claudeflow.domain.hold import Hold
from claudeflow.domain.quota import Axis


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One try at a job, with the call that served it.

    `call_state` is `settled`, `unknown` (the cost is at most `reserved_nanousd`) or `open`. Where the call
    served several jobs (`items`: this one as `slot`, the others are `shared_with`), cost, tokens and
    `call_ms` are this job's part. `batch_id` is our number of the batch that carried it, `batch_api_id` the
    API's name for that.
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
    items: int = 1
    slot: str | None = None
    call_ms: int | None = None
    batch_id: int | None = None
    batch_api_id: str | None = None
    shared_with: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class LaneStatus:
    """One lane now, and what it did since the daemon started.

    `oldest_age_s` is the age of its oldest queued job; the waits are from submit to first call. Of the
    running ones `in_batches` are with Message Batches.
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
    in_batches: int = 0


@dataclass(frozen=True, slots=True)
class BucketStatus:
    """One bucket now. `level` may be negative (debt); `limit_per_min` is the last one known.

    `limit_is_told` says that headers named the limit. `server_level` is what the server is believed
    to have left, None without headers; `pace_share` the share of the limit at which the bucket
    refills; `use` the share that we drew in the last minute or so.
    """

    axis: Axis
    limit_per_min: float
    level: float
    capacity: float
    limit_is_told: bool = False
    server_level: float | None = None
    pace_share: float = 1.0
    use: float = 0.0


@dataclass(frozen=True, slots=True)
class PoolStatus:
    """One pool now: its buckets, its learned margin θ, its gate and its ceiling.

    `gate` says in words how the gate stands; `pressure` is the share of the limits in use by
    anybody; `ramp_per_s` bounds requests a second after `ramp_limit_exceeded`; `last_throttle` is
    what the last 429 came from.
    """

    pool: str
    theta: float
    limits_known: bool
    gate_closed_for_s: float
    ceiling: int
    in_flight: int
    throttled_calls: int
    buckets: tuple[BucketStatus, ...]
    gate: str = "open"
    burst_s: float = 5.0
    pressure: float = 0.0
    ramp_per_s: float | None = None
    last_throttle: str | None = None


@dataclass(frozen=True, slots=True)
class Spend:
    """Money in the books: settled, what it would have been uncached, and the bound on unknown calls."""

    settled_nanousd: int
    uncached_nanousd: int
    calls: int
    unknown_calls: int
    unknown_bound_nanousd: int


@dataclass(frozen=True, slots=True)
class MailboxInTrouble:
    """A mailbox that is not served, or, with its path as `name`, the folder of all: `code` is stable."""

    name: str
    code: str
    problem: str
    remedy: str


@dataclass(frozen=True, slots=True)
class MailboxesStatus:
    """How many mailboxes are served, and which are not though they should be."""

    serving: int = 0
    trouble: tuple[MailboxInTrouble, ...] = ()


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
    mailboxes: MailboxesStatus = field(default_factory=MailboxesStatus)


@dataclass(frozen=True, slots=True)
class Ahead:
    """How many due jobs go before one: of its flow (workflow and model), workflow, lane and pool.

    The first two by priority, deadline and age; lane and pool as fair shares will have it.
    """

    flow: int
    workflow: int
    lane: int
    pool: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a job is where it is. Times are epoch milliseconds.

    `rule` is a stable code (docs/http.md lists them), `why` the same in words. `until_ms` is when
    that is looked at again, None when an event ends it. `goes_at_ms` is when the job is expected to
    go out if nothing else comes in; None where that cannot be said.
    """

    job_id: int
    state: str
    rule: str
    why: str
    until_ms: int | None = None
    ahead: Ahead | None = None
    goes_at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class LaneWait:
    """What a lane's next job waits for, in one pool. `until_ms`: None until an event ends it."""

    lane: str
    workflow: str
    rule: str
    why: str
    until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class PoolLimitsStatus:
    """One pool's limits, and who waits for what."""

    pool: PoolStatus
    waits: tuple[LaneWait, ...] = ()
