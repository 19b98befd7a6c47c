"""Does it cost more to choose the next job when many wait?

CPU of one decision in memory: which job goes, its permit, its leaving the queue, and its coming back.
The same number of decisions is made over 100 jobs and over 100,000 in 50 lanes of 200 workflows, in
turn. Each taken job is replaced, so the queue stays as deep as it is. The store is not part of it.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.size import Size, number, ratio, spread, table
from claudeflow.domain.attempt import Reply, Succeeded
from claudeflow.domain.job import Candidate, JobId
from claudeflow.domain.quota import Demand
from claudeflow.domain.usage import Usage
from claudeflow.policy.lanes.admission import Admitted, admit
from claudeflow.policy.lanes.admission import Size as CallSize
from claudeflow.policy.lanes.lane_rules import Outlook
from claudeflow.policy.lanes.parking import Block, Level
from claudeflow.policy.lanes.scheduler import Scheduler
from claudeflow.policy.lanes.settings import LaneSettings, largest_reserve
from claudeflow.policy.lanes.worth import worth_of
from claudeflow.policy.limits.ceiling import CeilingSettings
from claudeflow.policy.limits.limiter import Limiter, Permit
from claudeflow.policy.limits.margin import MarginSettings
from claudeflow.policy.limits.settings import LimiterSettings, PoolLimits

UNLIMITED = PoolLimits(10**12, 10**15, 10**15)
WIDE = LimiterSettings(
    cold_in_flight=10**6,
    margin=MarginSettings(cold_theta=1.0),
    ceiling=CeilingSettings(initial=10**6, maximum=10**6),
)
FULL_AGAIN_S = 3_600.0
"""How long after the first answer of a pool its buckets are full."""
DEMAND = Demand(1_000.0, 200.0)
SIZE = CallSize(DEMAND, Demand(0.0, 0.0))
REPLY = Reply(Succeeded("end_turn"), Usage(input_tokens=1_000, output_tokens=200))
HEADINGS = ("waiting", "lanes", "workflows", "µs per decision", "beside the first")


@dataclass(frozen=True, slots=True)
class Depth:
    """So many jobs in so many lanes and workflows of each; every tenth lane is paused when `paused`."""

    jobs: int
    lanes: int
    workflows: int
    paused: bool = False

    @property
    def name(self) -> str:
        """How its row is called."""
        return f"{self.jobs:,}" + (", half of them paused" if self.paused else "")


SHALLOW = Depth(100, 1, 1)


def run(size: Size) -> Iterator[str]:
    """One table over the depths of the queue."""
    deep = size.of(tiny=2_000, quick=100_000, full=100_000)
    lanes = size.of(tiny=5, quick=50, full=50)
    depths = [
        SHALLOW,
        Depth(100, 5, 5),
        Depth(deep, lanes, deep // lanes // 10),
        Depth(deep, lanes, deep // lanes // 10, paused=True),
    ]
    decisions, rounds = size.of(tiny=50, quick=400, full=1_000), size.of(tiny=3, quick=21, full=41)
    benches = [Bench(depth) for depth in depths]
    for bench in benches:
        bench.decide(5 * decisions)
    found: list[list[float]] = [[] for _ in benches]
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for kind, bench in enumerate(benches):
                found[kind].append(1e6 * bench.decide(decisions) / decisions)
    finally:
        gc.enable()
    yield f"CPU of a decision in memory; {rounds} rounds of {decisions:,} in turn, no garbage collection."
    yield table(HEADINGS, [_row(depth, spent, found[0]) for depth, spent in zip(depths, found, strict=True)])


def _row(depth: Depth, spent: list[float], first: list[float]) -> list[str]:
    return [
        depth.name,
        number(depth.lanes, 0),
        number(depth.lanes * depth.workflows, 0),
        spread(spent, 1),
        ratio(spent, first),
    ]


class Bench:
    """A queue that stays as deep as it is."""

    def __init__(self, depth: Depth) -> None:
        lanes = {
            f"lane{n}": LaneSettings(weight=1.0 + n % 8, reserve=0.01 * (n % 3)) for n in range(depth.lanes)
        }
        self._scheduler = Scheduler(lanes)
        self._limiter = Limiter(UNLIMITED, WIDE, 0.0, reserve=largest_reserve(lanes))
        self._paused = {name for number, name in enumerate(lanes) if depth.paused and number % 2}
        self._now = FULL_AGAIN_S
        first = self._limiter.reserve(DEMAND, 0.0)
        assert isinstance(first, Permit)
        self._limiter.settle(first, REPLY, 0.0, 0.0)
        self._last_id = 0
        places = [(lane, f"workflow{n}") for lane in lanes for n in range(depth.workflows)]
        for turn in range(depth.jobs):
            self._arrive(*places[turn % len(places)])

    def decide(self, times: int) -> float:
        """Take so many jobs, one after the other; the CPU seconds that it took."""
        begun = time.process_time()
        for _ in range(times):
            self._decide()
        return time.process_time() - begun

    def _decide(self) -> None:
        self._now += 0.001
        look = Outlook(self._judge, self._now, round(1000 * self._now))
        found = admit(self._scheduler, self._limiter, look, lambda _: SIZE)
        assert isinstance(found, Admitted)
        job = found.candidate
        self._scheduler.take(job, worth_of(DEMAND))
        self._limiter.settle(found.permit, REPLY, self._now, 0.0)
        self._scheduler.came_back(job)
        self._arrive(job.lane, job.workflow)
        for key in self._scheduler.flows_to_refill():
            self._scheduler.refill(key, [], all_there_is=True)

    def _arrive(self, lane: str, workflow: str) -> None:
        self._last_id += 1
        self._scheduler.arrive(
            Candidate(
                JobId(self._last_id),
                lane,
                workflow,
                "claude-haiku-5-5",
                0,
                self._last_id,
                None,
                3_200,
                1_000,
                "prefix",
            )
        )

    def _judge(self, candidate: Candidate) -> Block | None:
        if candidate.lane in self._paused:
            return Block(Level.LANE, "hold", "paused", self._now + 1.0)
        return None
