"""Result: what came of one simulated run, as one frozen value with a stable JSON form.

Times are virtual seconds since the scenario's start, money is nano-dollars. Nothing in it depends
on the machine that simulated: the same scenario, configuration and seed give the same bytes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum

import orjson
from pydantic import TypeAdapter, ValidationError

from claudeflow.domain.errors import ConfigError, Mistake
from claudeflow.domain.quota import Axis

SCHEMA = 1
"""Version of the JSON form. A field that is added keeps it; one that changes its meaning does not."""


@dataclass(frozen=True, slots=True)
class About:
    """Which run this is. `start_ms` is the epoch moment of second 0, `time_zone` an IANA name.

    `duration_s` is what was asked for; a run that was interrupted is shorter.
    """

    scenario: str
    title: str
    config: str
    seed: int
    start_ms: int
    time_zone: str
    duration_s: float
    version: str


@dataclass(frozen=True, slots=True)
class Spread:
    """Exact nearest-rank percentiles of `count` values; None when there are none."""

    count: int = 0
    p50_s: float | None = None
    p90_s: float | None = None
    p95_s: float | None = None
    p99_s: float | None = None
    max_s: float | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """What became of some jobs: all, a lane's or a workflow's. `name` is empty for all.

    `wait` is from submit to the first call, of every ended job that got one; `total` is from submit
    to the answer, of the succeeded. `unfinished` jobs had not ended when the run did, and are in
    neither; `oldest_queued_s` is the age of the oldest that was still queued. `last_end_s` is when the
    last job ended. `throttled` calls got a 429 for pace, `overloaded` a 529; `retries` are calls for a job
    that had made one before. Calls that were under way when the run ended are not among them. `batched`
    calls were requests in a batch: they are in no `calls_per_min`, as limits of pace do not count them.
    `packs` are calls that several jobs shared, and `carried` is how many jobs all calls had together. Money
    as in `Bill`: `cost_nanousd` was paid, the others are what the same tokens would have cost otherwise.
    """

    name: str
    submitted: int
    succeeded: int
    failed: int
    expired: int
    cancelled: int
    unfinished: int
    oldest_queued_s: float | None
    jobs_per_min: float
    last_end_s: float | None
    wait: Spread
    total: Spread
    calls: int
    most_calls: int
    throttled: int
    overloaded: int
    retries: int
    input_tokens: int
    cache_write_tokens: int
    cache_read_tokens: int
    output_tokens: int
    cost_nanousd: int
    uncached_nanousd: int
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    unbatched_nanousd: int = 0
    plain_nanousd: int = 0
    calls_per_min: float = 0.0
    batched: int = 0
    packs: int = 0
    carried: int = 0

    @property
    def jobs_per_call(self) -> float | None:
        """How many jobs a call had on average; None without calls."""
        return self.carried / self.calls if self.calls else None

    @property
    def batches_saved_share(self) -> float | None:
        """What the discount of batches has saved, as part of the bill without it; None without a bill."""
        return 1.0 - self.cost_nanousd / self.unbatched_nanousd if self.unbatched_nanousd else None

    @property
    def caching_saved_nanousd(self) -> int:
        """What prompt caching has saved; negative when its writes cost more than its reads saved."""
        return self.uncached_nanousd - self.cost_nanousd

    @property
    def caching_saved_share(self) -> float | None:
        """The same as part of the bill without it; None without a bill."""
        return self.caching_saved_nanousd / self.uncached_nanousd if self.uncached_nanousd else None

    @property
    def reads_per_write(self) -> float | None:
        """Tokens read from the cache for each one written; None when none was written."""
        return self.cache_read_tokens / self.cache_write_tokens if self.cache_write_tokens else None

    @property
    def cache_share(self) -> float | None:
        """Part of all input that was read from the cache; None without input."""
        prompt = self.input_tokens + self.cache_write_tokens + self.cache_read_tokens
        return self.cache_read_tokens / prompt if prompt else None


@dataclass(frozen=True, slots=True)
class BucketUse:
    """One bucket of the API over the whole run, as the API kept it.

    `granted` is what the limits in force allowed, `used` what our calls drew, `others` what other
    users of the organisation drew. `queued_share` is the part of the granted that anybody drew
    while jobs were queued: near 1 means that this bucket was what they waited for.
    """

    pool: str
    axis: Axis
    limit_per_min: float
    granted: float
    used: float
    others: float
    queued_share: float | None

    @property
    def share(self) -> float | None:
        """Part of the granted that our calls drew; None when nothing was granted."""
        return self.used / self.granted if self.granted else None


@dataclass(frozen=True, slots=True)
class PoolUse:
    """One pool over the whole run: its learned margin at the end, and how long its gate was closed."""

    pool: str
    theta: float
    gate_closings: int
    gate_closed_s: float


@dataclass(frozen=True, slots=True)
class Witness:
    """What the API itself saw. `early_calls` came before a `retry-after` had passed.

    `needless_cache_writes` are those of prefixes that were in the cache already.
    """

    early_calls: int
    burst_max_100ms: int
    in_flight_max: int
    invoice_nanousd: int
    cache_writes: int = 0
    needless_cache_writes: int = 0


@dataclass(frozen=True, slots=True)
class Estimates:
    """How far `explain` was off when it was asked, now and then, about some waiting job.

    Errors are shares of the true wait from then on, without their sign; None when it was never asked
    about a job that then waited at least 10 s.
    """

    jobs: int = 0
    median_error: float | None = None
    p90_error: float | None = None


class EpisodeKind(StrEnum):
    """What kind of thing went on for a while."""

    FAULT = "fault"
    OTHERS = "others"
    CHANGE = "change"
    GATE = "gate"
    HOLD = "hold"
    TROUBLE = "trouble"


@dataclass(frozen=True, slots=True)
class Episode:
    """Something worth noting that went on from `from_s` until `until_s`; None when it did not end.

    Faults, other users and changes are the scenario's; gates, holds and trouble are what claudeflow
    told. `of` is the pool of a gate and the scope of a hold.
    """

    kind: EpisodeKind
    of: str
    what: str
    from_s: float
    until_s: float | None


@dataclass(frozen=True, slots=True)
class Series:
    """One measure over time, a value for each moment of `Result.at_s`; None where it was not known.

    `of` names a lane or a pool, and is empty for everything. Measures of a moment: `queued`,
    `running`, `in_flight`, `ceiling`, `theta`, `level`, `limit_per_min`. Measures of the time since
    the moment before: `submitted`, `ended`, `calls`, `throttled`, `overloaded`, `failed_calls`,
    `cost_nanousd`, `uncached_nanousd`, `granted`, `used`, `others`.
    """

    measure: str
    of: str
    axis: str
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """One run. `complete` is False when it was interrupted at `simulated_s`.

    `most_calls_per_min` is how many calls began in the busiest minute, those in batches left out.
    """

    about: About
    complete: bool
    simulated_s: float
    totals: Work
    lanes: tuple[Work, ...]
    workflows: tuple[Work, ...]
    pools: tuple[PoolUse, ...]
    buckets: tuple[BucketUse, ...]
    witness: Witness | None
    episodes: tuple[Episode, ...]
    at_s: tuple[float, ...]
    series: tuple[Series, ...]
    estimates: Estimates = Estimates()
    most_calls_per_min: int = 0
    schema: int = SCHEMA

    def values(self, measure: str, of: str = "", axis: str = "") -> tuple[float | None, ...]:
        """One series; empty when there is none."""
        for series in self.series:
            if (series.measure, series.of, series.axis) == (measure, of, axis):
                return series.values
        return ()

    def to_json(self) -> bytes:
        """The stable JSON form, keys sorted."""
        return orjson.dumps(asdict(self), option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def from_json(document: bytes, source: str) -> Result:
    """The result in a JSON document. Raises ConfigError."""
    try:
        result = TypeAdapter(Result).validate_json(document)
    except ValidationError as problem:
        first = problem.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigError(source, [Mistake(place, f"no result of a simulation: {first['msg']}")]) from problem
    if result.schema != SCHEMA:
        message = f"{result.schema} is not understood, only {SCHEMA}: simulate again"
        raise ConfigError(source, [Mistake("schema", message)])
    return result
