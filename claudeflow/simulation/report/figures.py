"""Figures: the numbers by which runs are told and compared, each with its words and what is better."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from claudeflow.domain.money import usd
from claudeflow.domain.quota import Axis
from claudeflow.domain.words import span
from claudeflow.simulation.result import BucketUse, Estimates, Result, Witness, Work

AXIS_NAMES = {
    Axis.REQUESTS: "requests",
    Axis.INPUT_TOKENS: "input tokens",
    Axis.OUTPUT_TOKENS: "output tokens",
    Axis.TOKENS: "tokens",
}
UNKNOWN = "-"
ALL_JOBS = "all jobs"


class Better(Enum):
    """Which way a figure should go."""

    MORE = "more"
    LESS = "less"
    NEITHER = "neither"


def whole(value: float) -> str:
    """A number of jobs or calls."""
    return f"{value:,.0f}"


def rate(value: float) -> str:
    """So many a minute."""
    return f"{value:,.1f}"


def hundredths(value: float) -> str:
    """So many on average."""
    return f"{value:,.2f}"


def percent(value: float) -> str:
    """A share."""
    return f"{value:.1%}" if value < 0.995 or value > 1.005 else f"{value:.0%}"


def times(value: float) -> str:
    """How often."""
    return f"{value:,.1f}x"


def whole_percent(value: float) -> str:
    """A share, for axes."""
    return f"{value:.0%}"


def dollars(nanousd: float) -> str:
    """Money; cents are fine enough from a dollar on."""
    return usd(round(nanousd), 2 if nanousd >= 10**9 or not nanousd else 4)


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of a run. `value` is None when the run cannot tell it."""

    name: str
    value: float | None
    text: Callable[[float], str]
    better: Better

    def __str__(self) -> str:
        return UNKNOWN if self.value is None else self.text(self.value)


@dataclass(frozen=True, slots=True)
class Group:
    """Figures that belong together."""

    name: str
    figures: tuple[Figure, ...]


def groups(result: Result) -> list[Group]:
    """Everything about a run that is worth comparing, in the order in which people ask."""
    return [
        Group(ALL_JOBS, tuple(_of_jobs(result.totals))),
        *(Group(f"lane {lane.name}", tuple(_of_jobs(lane))) for lane in result.lanes),
        Group("calls", tuple(_of_calls(result))),
        Group("buckets, drawn by anybody while jobs were queued", tuple(_of_buckets(result.buckets))),
        Group("cost", (*_of_cost(result.totals), *_of_cache_writes(result.witness))),
        Group("cost of each workflow", tuple(_of_workflows(result.workflows))),
        Group("when explain said that a job would go", tuple(_of_estimates(result.estimates))),
    ]


def bucket_name(bucket: BucketUse) -> str:
    """`haiku-5.x output tokens`."""
    return f"{bucket.pool} {AXIS_NAMES[bucket.axis]}"


def fullest(buckets: Sequence[BucketUse]) -> BucketUse | None:
    """The bucket that jobs waited for, if they waited for any."""
    known = [bucket for bucket in buckets if bucket.queued_share is not None]
    return max(known, key=lambda bucket: bucket.queued_share or 0.0, default=None)


def _of_jobs(work: Work) -> Iterator[Figure]:
    yield Figure("submitted", work.submitted, whole, Better.NEITHER)
    yield Figure("answered", work.succeeded, whole, Better.MORE)
    yield Figure("failed", work.failed, whole, Better.LESS)
    yield Figure("expired", work.expired, whole, Better.LESS)
    yield Figure("unfinished", work.unfinished, whole, Better.LESS)
    yield Figure("answered a minute", work.jobs_per_min, rate, Better.MORE)
    yield Figure("last one ended after", work.last_end_s, span, Better.LESS)
    for name, value in (("p50", work.wait.p50_s), ("p95", work.wait.p95_s), ("p99", work.wait.p99_s)):
        yield Figure(f"wait {name}", value, span, Better.LESS)
    yield Figure("longest wait", work.wait.max_s, span, Better.LESS)
    yield Figure("answer after p95", work.total.p95_s, span, Better.LESS)


def _of_calls(result: Result) -> Iterator[Figure]:
    totals, witness = result.totals, result.witness
    per_thousand = totals.throttled * 1_000 / totals.calls if totals.calls else None
    yield Figure("calls", totals.calls, whole, Better.NEITHER)
    yield Figure("of them in batches", totals.batched, whole, Better.NEITHER)
    yield Figure("the others a minute", totals.calls_per_min, rate, Better.LESS)
    yield Figure("in the busiest minute", result.most_calls_per_min, whole, Better.LESS)
    yield Figure("shared by several jobs", totals.packs, whole, Better.NEITHER)
    yield Figure("jobs a call", totals.jobs_per_call, hundredths, Better.MORE)
    yield Figure("429s for pace", totals.throttled, whole, Better.LESS)
    yield Figure("429s of 1,000 calls", per_thousand, rate, Better.LESS)
    yield Figure("529s", totals.overloaded, whole, Better.NEITHER)
    yield Figure("retries", totals.retries, whole, Better.LESS)
    yield Figure("calls before retry-after", witness.early_calls if witness else None, whole, Better.LESS)
    yield Figure("most calls in 100 ms", witness.burst_max_100ms if witness else None, whole, Better.LESS)
    closed_s = sum(pool.gate_closed_s for pool in result.pools)
    yield Figure("gates closed for, all pools", closed_s, span, Better.LESS)


def _of_estimates(estimates: Estimates) -> Iterator[Figure]:
    yield Figure("explain asked about", estimates.jobs, whole, Better.NEITHER)
    yield Figure("its error, median", estimates.median_error, percent, Better.LESS)
    yield Figure("its error, p90", estimates.p90_error, percent, Better.LESS)


def _of_buckets(buckets: Sequence[BucketUse]) -> Iterator[Figure]:
    for bucket in buckets:
        yield Figure(bucket_name(bucket), bucket.queued_share, percent, Better.NEITHER)


def _of_cache_writes(witness: Witness | None) -> Iterator[Figure]:
    writes, needless = (witness.cache_writes, witness.needless_cache_writes) if witness else (None, None)
    yield Figure("prefixes written", writes, whole, Better.NEITHER)
    yield Figure("although in the cache", needless, whole, Better.LESS)


def _of_workflows(works: Sequence[Work]) -> Iterator[Figure]:
    for work in works:
        yield Figure(work.name, work.cost_nanousd, dollars, Better.LESS)


def _of_cost(work: Work) -> Iterator[Figure]:
    yield Figure("cost", work.cost_nanousd, dollars, Better.LESS)
    yield Figure("without prompt caching", work.uncached_nanousd, dollars, Better.NEITHER)
    yield Figure("saved by prompt caching", work.caching_saved_share, percent, Better.MORE)
    yield Figure("without batches", work.unbatched_nanousd, dollars, Better.NEITHER)
    yield Figure("saved by batches", work.batches_saved_share, percent, Better.MORE)
    yield Figure("without either", work.plain_nanousd, dollars, Better.NEITHER)
    yield Figure("input read from cache", work.cache_share, percent, Better.MORE)
    yield Figure("cache reads per write", work.reads_per_write, times, Better.MORE)
    per_job = work.cost_nanousd / work.succeeded if work.succeeded else None
    yield Figure("cost of an answer", per_job, lambda value: usd(round(value), 4), Better.LESS)
