"""Tally: what each lane has done since the daemon started, folded from events."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from claudeflow.domain.events import CallEnded, Event, JobFinished
from claudeflow.domain.job import JobState

WAITS_KEPT = 2_000
"""Waits per lane from which percentiles are taken: the newest ones."""


@dataclass(slots=True)
class LaneTally:
    """Counts of one lane. `waits_s`: from submit to the first call that counted, of its last jobs."""

    succeeded: int = 0
    failed: int = 0
    calls: int = 0
    input_tokens: int = 0
    cache_read_tokens: int = 0
    output_tokens: int = 0
    cost_nanousd: int = 0
    uncached_nanousd: int = 0
    waits_s: deque[float] = field(default_factory=lambda: deque(maxlen=WAITS_KEPT))

    def wait_percentile_s(self, share: float) -> float | None:
        """A percentile of the waits; None before the first."""
        return percentile(sorted(self.waits_s), share)


class Tally:
    """A listener that counts per lane."""

    def __init__(self) -> None:
        self.lanes: dict[str, LaneTally] = {}
        self.settled_calls = 0

    def apply(self, event: Event) -> None:
        """Count an event."""
        if isinstance(event, CallEnded):
            self._count_call(event)
        elif isinstance(event, JobFinished):
            self._count_job(event)

    @property
    def cost_nanousd(self) -> int:
        """What all settled calls cost."""
        return sum(lane.cost_nanousd for lane in self.lanes.values())

    @property
    def uncached_nanousd(self) -> int:
        """What they would have cost without prompt caching."""
        return sum(lane.uncached_nanousd for lane in self.lanes.values())

    def _count_call(self, event: CallEnded) -> None:
        lane = self.lanes.setdefault(event.lane, LaneTally())
        self.settled_calls += event.settled
        lane.calls += 1
        lane.input_tokens += event.usage.charged_input_tokens
        lane.cache_read_tokens += event.usage.cache_read_tokens
        lane.output_tokens += event.usage.output_tokens
        lane.cost_nanousd += event.cost_nanousd
        lane.uncached_nanousd += event.uncached_nanousd

    def _count_job(self, event: JobFinished) -> None:
        lane = self.lanes.setdefault(event.lane, LaneTally())
        if event.state is JobState.SUCCEEDED:
            lane.succeeded += 1
            lane.waits_s.append(event.wait_s)
        elif event.state in (JobState.FAILED, JobState.EXPIRED):
            lane.failed += 1


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """The nearest-rank percentile of ordered values; None when there are none."""
    if not ordered:
        return None
    rank = math.ceil(round(share * len(ordered), 6))
    return ordered[max(rank, 1) - 1]
