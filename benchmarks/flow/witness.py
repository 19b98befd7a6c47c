"""Witness: sees a simulated run and answers questions about parts of it."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from claudeflow.domain.events import CallEnded, Event, JobFinished, JobsSubmitted, PoolGated
from claudeflow.domain.job import JobId
from claudeflow.domain.quota import OWN_AXES, Axis
from claudeflow.domain.report import Status
from claudeflow.simulation.estimates import EstimateBook
from claudeflow.twin.meters import Meter, Meters
from claudeflow.twin.stats import Stats

E = TypeVar("E")

THROTTLED = "throttled"
BURST_S = 0.1

Worth = Callable[[CallEnded], float]


def output_tokens(call: CallEnded) -> float:
    """A call's worth where output is what is short."""
    return call.usage.output_tokens


def priced_tokens(call: CallEnded) -> float:
    """A call's worth in money: output costs five times the input."""
    return call.usage.charged_input_tokens + 5 * call.usage.output_tokens


@dataclass(slots=True)
class Witness:
    """Keeps what later questions need. Times are virtual seconds."""

    events: list[tuple[float, Event]] = field(default_factory=list)
    samples: list[tuple[float, Status, Meters]] = field(default_factory=list)
    estimates: EstimateBook = field(default_factory=EstimateBook)
    stats: Stats | None = None
    ended_at_s: float = 0.0
    _now_s: Callable[[], float] = lambda: 0.0

    def begin(self, now_s: Callable[[], float]) -> None:
        """The run begins."""
        self._now_s = now_s

    def apply(self, event: Event) -> None:
        """Keep an event."""
        self.events.append((self._now_s(), event))
        if isinstance(event, CallEnded):
            self.estimates.called(event, self._now_s())

    def sample(self, at_s: float, status: Status, meters: Meters) -> None:
        """Keep a sample."""
        self.samples.append((at_s, status, meters))

    def expected(self, job_id: JobId, goes_at_s: float) -> None:
        """`explain` says when a waiting job will go."""
        self.estimates.expected(job_id, self._now_s(), goes_at_s)

    def end(self, at_s: float, stats: Stats) -> None:
        """The run is over."""
        self.ended_at_s, self.stats = at_s, stats

    def calls(self, from_s: float = 0.0, until_s: float = float("inf")) -> list[CallEnded]:
        """Calls that were sent and ended within a period."""
        return [event for _, event in self._of(CallEnded, from_s, until_s) if event.http_status is not None]

    def throttled(self, from_s: float = 0.0, until_s: float = float("inf")) -> int:
        """Calls that were answered 429."""
        return sum(call.outcome == THROTTLED for call in self.calls(from_s, until_s))

    def episodes(self, from_s: float = 0.0, until_s: float = float("inf")) -> int:
        """How often the gate closed."""
        return sum(1 for _ in self._of(PoolGated, from_s, until_s))

    def use(self, pool: str, from_s: float, until_s: float) -> dict[Axis, float]:
        """On each axis the share that was used of what was granted and not taken by others."""
        first, last = self.meters_at(from_s).pools[pool], self.meters_at(until_s).pools[pool]
        return {axis: _use(getattr(first, axis.value), getattr(last, axis.value)) for axis in OWN_AXES}

    def starts(self) -> list[float]:
        """When each call left, in order."""
        return sorted(
            at_s - event.duration_s
            for at_s, event in self._of(CallEnded, 0.0, float("inf"))
            if event.http_status is not None
        )

    def ended(self, lane: str, from_s: float = 0.0, until_s: float = float("inf")) -> list[JobFinished]:
        """The jobs of a lane that ended within a period."""
        return [event for _, event in self._of(JobFinished, from_s, until_s) if event.lane == lane]

    def waits_of(self, workflow: str) -> list[float]:
        """How long each job of a workflow waited, in order of their ends."""
        found = self._of(JobFinished, 0.0, float("inf"))
        return [event.wait_s for _, event in found if event.workflow == workflow]

    def served(self, of: str, worth: Worth, from_s: float, until_s: float) -> dict[str, float]:
        """What each `workflow` or `lane` got within a period, in terms of `worth`."""
        got: defaultdict[str, float] = defaultdict(float)
        for call in self.calls(from_s, until_s):
            got[getattr(call, of)] += worth(call)
        return dict(got)

    def depth(self) -> list[tuple[float, int]]:
        """Jobs submitted and not ended, at each change."""
        depth, found = 0, []
        for at_s, event in self.events:
            if isinstance(event, JobsSubmitted):
                depth += event.jobs
            elif isinstance(event, JobFinished):
                depth -= 1
            else:
                continue
            found.append((at_s, depth))
        return found

    def meters_at(self, at_s: float) -> Meters:
        """The API's meters in the first sample from a moment on."""
        times = [moment for moment, _, _ in self.samples]
        return self.samples[min(bisect_left(times, at_s), len(times) - 1)][2]

    def _of(self, kind: type[E], from_s: float, until_s: float) -> Iterator[tuple[float, E]]:
        for at_s, event in self.events:
            if isinstance(event, kind) and from_s <= at_s < until_s:
                yield at_s, event


def largest_burst(moments: list[float], within_s: float = BURST_S) -> int:
    """The most of the ordered moments that any window of this length holds."""
    most = first = 0
    for last, moment in enumerate(moments):
        while moment - moments[first] > within_s:
            first += 1
        most = max(most, last - first + 1)
    return most


def _use(first: Meter, last: Meter) -> float:
    free = (last.granted - first.granted) - (last.others - first.others)
    return (last.used - first.used) / free if free > 0 else 0.0
