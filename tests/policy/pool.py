"""A pool in virtual time: the real scheduler and limiter, calls of known size and length, no clock."""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from claudeflow.domain.job import Candidate
from claudeflow.domain.quota import Demand
from claudeflow.policy.lanes.admission import Admitted, Nobody, Size, admit
from claudeflow.policy.lanes.flow import WINDOW, FlowKey, key_of
from claudeflow.policy.lanes.lane_rules import Judge, Outlook
from claudeflow.policy.lanes.lines import Rank, rank
from claudeflow.policy.lanes.parking import Block
from claudeflow.policy.lanes.scheduler import Scheduler
from claudeflow.policy.lanes.settings import LaneSettings, largest_reserve
from claudeflow.policy.lanes.worth import worth_of
from claudeflow.policy.limits.ceiling import CeilingSettings
from claudeflow.policy.limits.limiter import Limiter, Permit
from claudeflow.policy.limits.margin import MarginSettings
from claudeflow.policy.limits.settings import LimiterSettings, PoolLimits
from tests.policy.builders import a_candidate, well

WIDE = LimiterSettings(
    cold_in_flight=10_000,
    margin=MarginSettings(cold_theta=1.0),
    ceiling=CeilingSettings(initial=10_000, maximum=10_000),
)


def demand_of(candidate: Candidate) -> Demand:
    """Input as its bytes say, output as `max_tokens` says."""
    return Demand(float(candidate.input_bytes), float(candidate.max_tokens))


def nobody_else_says(candidate: Candidate) -> Block | None:
    """A judge with no objections."""
    return None


@dataclass
class Pool:
    """Jobs arrive at their `submitted_ms` and go when scheduler and limiter let them."""

    lanes: Mapping[str, LaneSettings]
    limits: PoolLimits
    call_s: Callable[[Candidate], float] = lambda _: 2.0
    judge: Judge = nobody_else_says
    now: float = 0.0
    went: dict[int, float] = field(default_factory=dict)
    served: defaultdict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))

    def __post_init__(self) -> None:
        self.scheduler = Scheduler(self.lanes)
        self.limiter = Limiter(self.limits, WIDE, 0.0, reserve=largest_reserve(self.lanes))
        self._ends: list[tuple[float, int, Candidate, Permit]] = []
        self._stored: defaultdict[FlowKey, list[tuple[Rank, Candidate]]] = defaultdict(list)

    def run(self, jobs: Iterable[Candidate], until_s: float) -> None:
        """Let time pass, with these jobs arriving at their moments."""
        arrivals = sorted(jobs, key=lambda job: (job.submitted_ms, job.id))
        arrivals.reverse()
        while self.now < until_s:
            while arrivals and arrivals[-1].submitted_ms <= self.now * 1000 + 1e-6:
                self._arrive(arrivals.pop())
            while self._ends and self._ends[0][0] <= self.now:
                self._end()
            again_at = self._admit_all()
            moments = [until_s, *([self._ends[0][0]] if self._ends else [])]
            moments += [arrivals[-1].submitted_ms / 1000] if arrivals else []
            moments += [] if again_at is None else [max(again_at, self.now + 1e-6)]
            self.now = min(moments)

    def waits_s(self, jobs: Iterable[Candidate]) -> list[float]:
        """How long each job waited that went, in ascending order."""
        return sorted(self.went[job.id] - job.submitted_ms / 1000 for job in jobs if job.id in self.went)

    def _arrive(self, job: Candidate) -> None:
        insort(self._stored[key_of(job)], (rank(job), job), key=lambda stored: stored[0])
        self.scheduler.arrive(job)

    def _refill(self) -> None:
        for key in self.scheduler.flows_to_refill():
            first = [job for _, job in self._stored[key][:WINDOW]]
            self.scheduler.refill(key, first, all_there_is=len(first) < WINDOW)
        for lane, model in self.scheduler.lanes_to_age(self.now):
            stored = [jobs for key, jobs in self._stored.items() if (key.lane, key.model) == (lane, model)]
            oldest = heapq.nsmallest(4, (job for jobs in stored for _, job in jobs), key=lambda job: job.id)
            self.scheduler.show_eldest(oldest)

    def _admit_all(self) -> float | None:
        while True:
            self._refill()
            look = Outlook(self.judge, self.now, round(self.now * 1000), self.limiter.pressure(self.now))
            found = admit(
                self.scheduler, self.limiter, look, lambda job: Size(demand_of(job), demand_of(job))
            )
            if isinstance(found, Nobody):
                return found.again_at
            assert isinstance(found, Admitted)
            self._start(found)

    def _start(self, found: Admitted) -> None:
        job, worth = found.candidate, worth_of(found.demand)
        self.scheduler.take(job, worth)
        stored = self._stored[key_of(job)]
        del stored[bisect_left(stored, rank(job), key=lambda other: other[0])]
        self.went[job.id] = self.now
        self.served[job.lane, job.workflow] += worth
        heapq.heappush(self._ends, (self.now + self.call_s(job), job.id, job, found.permit))

    def _end(self) -> None:
        _, _, job, permit = heapq.heappop(self._ends)
        demand = demand_of(job)
        reply = well(round(demand.input_tokens), round(demand.output_tokens))
        self.limiter.settle(permit, reply, self.now, 0.0)
        self.scheduler.came_back(job)


def a_stream(
    first_id: int, every_s: float, until_s: float, from_s: float = 0.0, **changes: object
) -> list[Candidate]:
    """Jobs that arrive regularly."""
    count = int((until_s - from_s) / every_s)
    return [
        a_candidate(first_id + n, submitted_ms=round(1000 * (from_s + n * every_s)), **changes)
        for n in range(count)
    ]


def a_flood(first_id: int, count: int, at_s: float = 0.0, **changes: object) -> list[Candidate]:
    """Jobs that arrive all at once."""
    return [a_candidate(first_id + n, submitted_ms=round(1000 * at_s), **changes) for n in range(count)]


def percentile(ordered: list[float], share: float) -> float:
    """The nearest-rank percentile."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def jains_index(amounts: Iterable[float]) -> float:
    """1 when all had the same, 1/n when one had everything (Jain, Chiu, Hawe 1984)."""
    values = list(amounts)
    return sum(values) ** 2 / (len(values) * sum(value**2 for value in values))
