"""Pool view: what a pool's gate can tell of who waits for what. Changes nothing."""

from __future__ import annotations

from collections import defaultdict

from claudeflow.daemon.calls.gate import PoolGate
from claudeflow.daemon.shared import Shared
from claudeflow.domain.job import Candidate
from claudeflow.domain.report import Ahead, LaneWait, PoolLimitsStatus, PoolStatus
from claudeflow.policy.lanes.admission import Wait
from claudeflow.policy.lanes.explain import Moments, Standing, rule_of
from claudeflow.policy.lanes.forecast import Load, forecast, supply_of
from claudeflow.policy.lanes.lane_rules import Outlook
from claudeflow.policy.lanes.parking import Block, Level, Spot
from claudeflow.store.reports import Queue


class PoolView:
    """One pool at one moment."""

    def __init__(self, gate: PoolGate, shared: Shared) -> None:
        self._gate = gate
        self._shared = shared
        self._look: Outlook = gate.choosing.outlook()
        self._queues = gate.scheduler.queues
        self.moments = Moments(self._look.now, self._look.now_ms)

    def standing(self, queue: Queue) -> Standing:
        """How a due job stands."""
        job, status = queue.candidate, self._gate.snapshot()
        own, others = self._loads(queue)
        found = forecast(own, others, self._queues.weight_of, supply_of(status))
        ahead = Ahead(queue.ahead.get(job.model, 0), sum(queue.ahead.values()), found.lane, found.pool)
        waits = self._gate.choosing.waits
        of_lane = next((wait for wait in waits if wait.candidate.lane == job.lane), None)
        return Standing(
            ahead,
            self._block(job),
            self._closed(job, status),
            of_lane or next(iter(waits), None),
            found.seconds,
        )

    def limits(self) -> PoolLimitsStatus:
        """The pool's limits, and what the next job of each lane waits for."""
        lanes = self._queues.waiting_lanes()
        return PoolLimitsStatus(self._gate.snapshot(), tuple(self._lane_wait(lane) for lane in lanes))

    def _block(self, job: Candidate) -> Block | None:
        scheduler = self._gate.scheduler
        return (
            scheduler.rules.lane_block(job.lane, self._look)
            or scheduler.rules.workflow_block(job.lane, job.workflow)
            or self._gate.choosing.judge(job)
            or self._queues.waits_for_company(job)
        )

    def _closed(self, job: Candidate, status: PoolStatus) -> Wait | None:
        if not self._gate.limiter.held:
            return None
        closed_s = status.gate_closed_for_s
        return Wait(job, status.gate, self._look.now + closed_s if closed_s > 0 else None)

    def _loads(self, queue: Queue) -> tuple[Load, list[Load]]:
        """What is before the job in its own workflow, and what the others of the pool have waiting."""
        job = queue.candidate
        counts: defaultdict[tuple[str, str], int] = defaultdict(int)
        for key, number in queue.due.items():
            of_pool = self._shared.prices.pool_of(key.model) == self._gate.pool
            if of_pool and not self._is_parked(key.lane, job):
                counts[key.lane, key.workflow] += number
        counts.pop((job.lane, job.workflow), None)
        size = self._gate.choosing.size(job).expected
        own = Load(job.lane, job.workflow, sum(queue.ahead.values()), size)
        others = []
        for (lane, workflow), number in counts.items():
            head = self._queues.first_of(lane, workflow) or job
            others.append(Load(lane, workflow, number, self._gate.choosing.size(head).expected))
        return own, others

    def _is_parked(self, lane: str, job: Candidate) -> bool:
        return lane != job.lane and Spot(Level.LANE, lane) in self._queues.parking

    def _lane_wait(self, lane: str) -> LaneWait:
        parking = self._queues.parking
        parked = [spot for spot in parking.everything() if spot.lane == lane]
        wait = next((wait for wait in self._gate.choosing.waits if wait.candidate.lane == lane), None)
        block = parking.block(Spot(Level.LANE, lane))
        if block is None and wait is not None:
            until_ms = self.moments.epoch_ms(wait.until)
            return LaneWait(lane, wait.candidate.workflow, rule_of(wait.why), wait.why, until_ms)
        if block is None and lane not in self._queues.lanes and parked:
            block = parking.block(parked[0])
        if block is None:
            return LaneWait(lane, "", "behind", "its turn comes after that of others")
        return LaneWait(lane, "", block.rule, block.why, self.moments.epoch_ms(block.until))
