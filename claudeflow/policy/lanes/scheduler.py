"""Scheduler: which waiting job of a pool goes next.

Lanes share by weight, workflows within a lane share alike, both in money's worth of tokens, so
that a flood of 10,000 jobs does not stand in front of another workflow's single one. A tenth of the
service goes to whoever waits longest, so that nobody starves.

A job that the limiter has no room for is passed by those to whom the room below is reserved, and,
where its wait is long, by a few others, until the moment that the limiter named for it. From then
on nobody behind it goes before it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from claudeflow.domain.job import Candidate
from claudeflow.policy.lanes.flow import FlowKey
from claudeflow.policy.lanes.lane_rules import FULL, LaneRules, Outlook
from claudeflow.policy.lanes.parking import Block, Level, Spot, spot_of
from claudeflow.policy.lanes.queues import Queues
from claudeflow.policy.lanes.settings import LaneSettings

LOOK_AT_MOST = 64
"""Jobs that are looked at for one choice when many must wait."""

SHORT_WAIT_S = 1.0
"""A job that the limiter will let go this soon is passed by nobody of equal standing."""

PASSERS = 4
"""How many others are asked when the first must wait for longer."""

PROMISE_LASTS_S = 60.0
"""Who has not come for it by then was not there, or the pool was closed."""

AGE_EVERY_S = 10.0
"""How often the store is asked for the oldest jobs of the lanes that are not wholly in sight."""


@dataclass(frozen=True, slots=True)
class Pick:
    """The job that should go, and what its call must leave in every bucket.

    `firm`: if there is no room, nobody else goes before it.
    """

    candidate: Candidate
    keep: float
    firm: bool = False


class Scheduler:
    """The waiting jobs of one pool, in the order in which they should go."""

    def __init__(self, lanes: Mapping[str, LaneSettings]) -> None:
        self.queues = Queues(lanes)
        self.rules = LaneRules(lanes)
        self._promised: dict[tuple[str, str], float] = {}
        self._bar = math.inf
        self._passers = PASSERS
        self._age_again_at = -math.inf
        self.reconfigure(lanes)

    def waiting(self) -> bool:
        """Whether the pool has due jobs, in sight or only in the store."""
        return len(self.queues) > 0

    def next_look_at(self) -> float | None:
        """When something that must wait is to be looked at again; None: when something happens."""
        return self.queues.parking.next_at()

    def reconfigure(self, lanes: Mapping[str, LaneSettings]) -> None:
        """New lane settings hold from now on, and whatever must wait is looked at anew."""
        self.rules.reconfigure(lanes)
        self.queues.reconfigure(lanes)

    def expect(self, key: FlowKey) -> None:
        """The store holds due jobs of a flow that no one has shown us yet."""
        self.queues.expect(key)

    def arrive(self, candidate: Candidate) -> None:
        """A job became due."""
        self.queues.arrive(candidate)

    def gone(self, candidate: Candidate) -> None:
        """A waiting job is no longer queued: cancelled, expired, moved, or somebody else's."""
        self.queues.gone(candidate)

    def prefix_changed(self, model: str, prefix: str) -> None:
        """Jobs that waited for a prefix may go, or one of them may write it."""
        self.queues.prefix_changed(model, prefix)

    def let_in(self, rule: str) -> None:
        """What this rule has parked may be looked at again."""
        self.queues.let_in(rule)

    def flows_to_refill(self) -> list[FlowKey]:
        """Flows whose window runs low while the store has more. Read the store now, then `refill` each."""
        return self.queues.flows_to_refill()

    def rows_to_read(self, key: FlowKey) -> int:
        """How many first jobs of a flow the store is to name for a refill."""
        return self.queues.rows_to_read(key)

    def refill(self, key: FlowKey, candidates: Iterable[Candidate], *, all_there_is: bool) -> None:
        """What the store named as a flow's first jobs."""
        self.queues.refill(key, candidates, all_there_is=all_there_is)

    def lanes_to_age(self, now: float) -> list[tuple[str, str]]:
        """Lane and model of which the store may hold older jobs: read it, then `show_eldest`."""
        if now < self._age_again_at:
            return []
        self._age_again_at = now + AGE_EVERY_S
        return self.queues.partly_shown()

    def show_eldest(self, candidates: Iterable[Candidate]) -> None:
        """What the store named as the oldest jobs of a lane."""
        self.queues.show_eldest(candidates)

    def is_busy(self, candidate: Candidate) -> bool:
        """Whether its lane has other jobs that wait or run."""
        lane = candidate.lane
        return self.rules.in_flight(lane) > 0 or self.queues.has_others(candidate)

    def in_turn(self, look: Outlook) -> Iterator[Pick]:
        """The job that should go next, and, for as long as those before must wait (`must_wait`), others.

        Begin anew after each `take`.
        """
        self._bar, self._passers = math.inf, PASSERS
        self._look_again(look)
        if self.queues.elders.are_due:
            yield from self._eldest(look)
        seen = []
        for lane in self.queues.lanes.in_order():
            seen.append(lane)
            yield from self._of_lane(lane, look)
            if self._bar < math.inf or self._passers <= 0:
                break
        for lane in self._lanes_below_the_bar(seen):
            yield from self._of_lane(lane, look)

    def must_wait(
        self, pick: Pick, until: float | None, look: Outlook, *, smaller_may_pass: bool = False
    ) -> None:
        """There is no room for the picked job before this moment; None: before something happens.

        With `smaller_may_pass` only its size stands in the way, for now, whoever's turn it is.
        """
        self._passers -= 1
        is_soon = until is None or until - look.now <= SHORT_WAIT_S
        if self._passers <= 0 or ((is_soon or pick.firm) and not smaller_may_pass):
            self._bar = min(self._bar, pick.keep)
        if until is not None and not smaller_may_pass:
            for key in _promised_to(pick.candidate):
                if self._promised.get(key, -math.inf) < look.now - PROMISE_LASTS_S:
                    self._promised[key] = until

    def take(self, candidate: Candidate, worth: float) -> None:
        """The job goes: its lane and workflow are charged `worth` (any unit, say nano-dollars)."""
        lane, workflow = candidate.lane, candidate.workflow
        self.rules.took(candidate)
        self.queues.take(candidate, worth)
        self._promised.pop((lane, workflow), None)
        if not self._is_behind(lane):
            self._promised.pop((lane, ""), None)

    def came_back(self, candidate: Candidate, owed: float = 0.0) -> None:
        """A job that was taken is no longer in flight; it was worth `owed` more than was charged."""
        lane, workflow = candidate.lane, candidate.workflow
        self.rules.came_back(candidate)
        self.queues.correct(candidate, owed)
        self._free_if_full(Spot(Level.LANE, lane))
        self._free_if_full(Spot(Level.WORKFLOW, lane, workflow))

    def _look_again(self, look: Outlook) -> None:
        """Let in what was to wait until now, unless the same still holds it."""
        for spot in self.queues.parking.due(look.now):
            sample = self.queues.sample_of(spot)
            block = self._block(sample, look) if sample is not None else None
            if sample is not None and block is not None and spot_of(block.level, sample) == spot:
                self.queues.parking.put(spot, block)
            else:
                self.queues.free(spot)

    def _eldest(self, look: Outlook) -> Iterator[Pick]:
        for _ in range(LOOK_AT_MOST):
            candidate = self.queues.elders.first()
            if candidate is None:
                return
            block = self._block(candidate, look)
            if block is None:
                break
            self.queues.park(candidate, block)
        else:
            return
        if self.queues.elders.is_overdue(candidate, look.now_ms):
            yield Pick(candidate, 0.0, self._is_promised(candidate, look))
        else:
            yield Pick(candidate, self.rules.keep_of(candidate.lane))
        self._bar, self._passers = math.inf, PASSERS

    def _of_lane(self, lane: str, look: Outlook) -> Iterator[Pick]:
        """The jobs of a lane that may go, by workflow."""
        for workflow in self.queues.workflows[lane].in_order():
            candidate = self._first_free(lane, workflow, look)
            if candidate is not None:
                firm = self._is_promised(candidate, look)
                yield Pick(candidate, 0.0 if firm else self.rules.keep_of(lane), firm)
            if self._bar < math.inf or self._passers <= 0 or lane not in self.queues.lanes:
                return

    def _first_free(self, lane: str, workflow: str, look: Outlook) -> Candidate | None:
        """A workflow's first job that may go; what must wait is parked on the way."""
        for _ in range(LOOK_AT_MOST):
            candidate = self.queues.next_of(lane, workflow)
            block = self._block(candidate, look) if candidate is not None else None
            if candidate is None or block is None:
                return candidate
            self.queues.park(candidate, block)
            if block.level in (Level.POOL, Level.LANE, Level.WORKFLOW):
                return None
        return None

    def _block(self, candidate: Candidate, look: Outlook) -> Block | None:
        lane = candidate.lane
        return (
            self.rules.lane_block(lane, look)
            or self.rules.workflow_block(lane, candidate.workflow)
            or look.judge(candidate)
        )

    def _is_promised(self, candidate: Candidate, look: Outlook) -> bool:
        moments = (self._promised.get(key, math.inf) for key in _promised_to(candidate))
        return any(look.now - PROMISE_LASTS_S <= moment <= look.now for moment in moments)

    def _is_behind(self, lane: str) -> bool:
        """Whether the lane has had less than its share, so that what it was promised is still due."""
        return len(self.queues.lanes) > 1 and self.queues.lanes.first() == lane

    def _lanes_below_the_bar(self, seen: list[str]) -> list[str]:
        """Lanes behind the one that must wait which may use the room that it must leave."""
        order = self.queues.lanes
        names = [
            name
            for name, keep in self.rules.keeps.items()
            if keep < self._bar < math.inf and name not in seen
        ]
        return sorted((name for name in names if name in order), key=order.virtual_time)

    def _free_if_full(self, spot: Spot) -> None:
        block = self.queues.parking.block(spot)
        if block is not None and block.rule == FULL:
            self.queues.free(spot)


def _promised_to(candidate: Candidate) -> tuple[tuple[str, str], ...]:
    """Who is promised a moment when this job must wait: its workflow, and its lane."""
    return (candidate.lane, candidate.workflow), (candidate.lane, "")
