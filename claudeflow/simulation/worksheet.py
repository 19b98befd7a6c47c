"""Worksheet: counts of some jobs while a run goes on, and the `Work` that they come to."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from claudeflow.domain.events import CallEnded, JobFinished
from claudeflow.domain.job import JobState
from claudeflow.observe.tally import percentile
from claudeflow.simulation.result import Spread, Work

THROTTLED = "throttled"
OVERLOADED = "overloaded"
SUCCEEDED = "succeeded"
MESSAGE, PACK = "message", "pack"
"""Kinds of calls that jobs get their answers from."""

DIGITS = 3
"""Decimal places of every time in a result: milliseconds."""


@dataclass(slots=True)
class Worksheet:
    """Counts of the jobs of one workflow in one lane."""

    submitted: int = 0
    ended: dict[JobState, int] = field(default_factory=dict)
    last_end_s: float | None = None
    waits_s: array[float] = field(default_factory=lambda: array("d"))
    totals_s: array[float] = field(default_factory=lambda: array("d"))
    calls: int = 0
    most_calls: int = 0
    batched: int = 0
    packs: int = 0
    carried: int = 0
    throttled: int = 0
    overloaded: int = 0
    retries: int = 0
    input_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    cache_read_tokens: int = 0
    output_tokens: int = 0
    cost_nanousd: int = 0
    uncached_nanousd: int = 0
    unbatched_nanousd: int = 0
    plain_nanousd: int = 0

    def count_call(self, event: CallEnded, number: int) -> None:
        """A call ended; it was the job's `number`th."""
        usage = event.usage
        self.calls += 1
        self.batched += event.batch_id is not None
        self.packs += event.kind == PACK
        self.carried += event.jobs if event.kind in (MESSAGE, PACK) else 0
        self.most_calls = max(self.most_calls, number)
        self.retries += number > 1
        self.throttled += event.outcome == THROTTLED
        self.overloaded += event.outcome == OVERLOADED
        self.input_tokens += usage.input_tokens
        self.cache_write_5m_tokens += usage.cache_write_5m_tokens
        self.cache_write_1h_tokens += usage.cache_write_1h_tokens
        self.cache_read_tokens += usage.cache_read_tokens
        self.output_tokens += usage.output_tokens
        self.cost_nanousd += event.cost_nanousd
        self.uncached_nanousd += event.uncached_nanousd
        self.unbatched_nanousd += event.unbatched_nanousd
        self.plain_nanousd += event.plain_nanousd

    def count_end(self, event: JobFinished, at_s: float, *, called: bool) -> None:
        """A job ended, or was parked; `called` tells whether it ever had a call."""
        self.ended[event.state] = self.ended.get(event.state, 0) + 1
        self.last_end_s = at_s
        if called:
            self.waits_s.append(event.wait_s)
        if event.state is JobState.SUCCEEDED:
            self.totals_s.append(event.total_s)


def work_of(
    name: str, sheets: Sequence[Worksheet], simulated_s: float, oldest_queued_s: float | None = None
) -> Work:
    """What some worksheets come to together."""

    def total(count: str) -> int:
        return sum(getattr(sheet, count) for sheet in sheets)

    def ended(*states: JobState) -> int:
        return sum(sheet.ended.get(state, 0) for sheet in sheets for state in states)

    succeeded = ended(JobState.SUCCEEDED)
    last_ends = [sheet.last_end_s for sheet in sheets if sheet.last_end_s is not None]
    summed = ("submitted", "calls", "throttled", "overloaded", "retries", "batched", "packs", "carried")
    writes = ("cache_write_5m_tokens", "cache_write_1h_tokens")
    tokens = ("input_tokens", "cache_read_tokens", "output_tokens", *writes)
    money = ("cost_nanousd", "uncached_nanousd", "unbatched_nanousd", "plain_nanousd")
    return Work(
        name=name,
        succeeded=succeeded,
        failed=ended(JobState.FAILED, JobState.HELD),
        expired=ended(JobState.EXPIRED),
        cancelled=ended(JobState.CANCELLED),
        unfinished=max(0, total("submitted") - ended(*JobState)),
        oldest_queued_s=None if oldest_queued_s is None else round(oldest_queued_s, DIGITS),
        jobs_per_min=_per_min(succeeded, simulated_s),
        calls_per_min=_per_min(total("calls") - total("batched"), simulated_s),
        last_end_s=round(max(last_ends), DIGITS) if last_ends else None,
        wait=spread_of(sheet.waits_s for sheet in sheets),
        total=spread_of(sheet.totals_s for sheet in sheets),
        cache_write_tokens=sum(total(name) for name in writes),
        most_calls=max((sheet.most_calls for sheet in sheets), default=0),
        **{name: total(name) for name in (*summed, *tokens, *money)},
    )


def _per_min(count: int, simulated_s: float) -> float:
    return round(count * 60 / simulated_s, DIGITS) if simulated_s > 0 else 0.0


def spread_of(parts: Iterable[Iterable[float]]) -> Spread:
    """The percentiles of all values together."""
    ordered = sorted(value for part in parts for value in part)

    def at(share: float) -> float | None:
        value = percentile(ordered, share)
        return None if value is None else round(value, DIGITS)

    return Spread(len(ordered), at(0.5), at(0.9), at(0.95), at(0.99), at(1.0))
