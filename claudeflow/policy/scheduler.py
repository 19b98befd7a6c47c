"""Scheduler: which waiting job of a pool goes next.

Lanes share by weight, workflows within a lane share alike, both in money's worth of tokens, so
that a flood of 10,000 jobs does not stand in front of another workflow's single one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt

from claudeflow.domain.job import Candidate, JobId
from claudeflow.policy.fairshare import FairShare
from claudeflow.policy.flow import Flow, FlowKey


@dataclass(frozen=True, slots=True)
class LaneSettings:
    """A lane: a priority class.

    `weight` is its share when lanes compete; `retry_window_s` how long a failing job is tried,
    counted from its first attempt; `max_in_flight` bounds its simultaneous calls (0 = no bound);
    `max_queued` is where intake answers "come back later" (0 = no bound).
    """

    weight: Annotated[float, Gt(0)] = 1.0
    max_in_flight: Annotated[int, Ge(0)] = 0
    max_queued: Annotated[int, Ge(0)] = 0
    retry_window_s: Annotated[float, Gt(0)] = 3600.0


Eligible = Callable[[Candidate], bool]


class Scheduler:
    """The waiting jobs of one pool, in the order in which they should go."""

    def __init__(self, lanes: Mapping[str, LaneSettings]) -> None:
        self._lanes = lanes
        self._flows: dict[FlowKey, Flow] = {}
        self._hungry: set[FlowKey] = set()
        self._lane_order: FairShare[str] = FairShare()
        self._flow_order: defaultdict[str, FairShare[FlowKey]] = defaultdict(FairShare)
        self._in_flight: defaultdict[str, int] = defaultdict(int)

    def waiting(self) -> bool:
        """Whether the pool has due jobs, in sight or only in the store."""
        return any(len(flow) or not flow.complete for flow in self._flows.values())

    def reconfigure(self, lanes: Mapping[str, LaneSettings]) -> None:
        """New lane settings hold from now on."""
        self._lanes = lanes

    def expect(self, key: FlowKey) -> None:
        """The store holds due jobs of a flow that no one has shown us yet."""
        flow = self._flow(key)
        flow.complete = False
        self._note_hunger(flow)

    def arrive(self, candidate: Candidate) -> None:
        """A job became due."""
        flow = self._flow(_key(candidate))
        flow.arrive(candidate)
        self._join(flow)

    def gone(self, candidate: Candidate) -> None:
        """A waiting job is no longer queued: cancelled, expired, or somebody else's."""
        self._leave(self._flow(_key(candidate)), candidate.id)

    def flows_to_refill(self) -> list[FlowKey]:
        """Flows whose window runs low while the store has more. Read the store now, then `refill` each."""
        for key in self._hungry:
            self._flows[key].begin_refill()
        return list(self._hungry)

    def refill(self, key: FlowKey, candidates: Iterable[Candidate], *, all_there_is: bool) -> None:
        """What the store named as a flow's first jobs."""
        flow = self._flow(key)
        flow.refill(candidates, all_there_is=all_there_is)
        self._join(flow)
        self._forget_if_done(flow)

    def pick(self, eligible: Eligible) -> Candidate | None:
        """The job that should go next, if any may. Changes nothing."""
        for lane in self._lane_order.in_order():
            if self._lane_is_full(lane):
                continue
            for key in self._flow_order[lane].in_order():
                head = self._flows[key].head()
                if head is not None and eligible(head):
                    return head
        return None

    def take(self, candidate: Candidate, worth: float) -> None:
        """The picked job goes: its lane and workflow are charged `worth` (any unit, say nano-dollars)."""
        key = _key(candidate)
        self._flow_order[candidate.lane].charge(key, worth)
        self._lane_order.charge(candidate.lane, worth)
        self._in_flight[candidate.lane] += 1
        self._leave(self._flows[key], candidate.id)

    def came_back(self, lane: str) -> None:
        """A job that was taken is no longer in flight."""
        self._in_flight[lane] -= 1

    def _lane_is_full(self, lane: str) -> bool:
        bound = self._settings(lane).max_in_flight
        return bound > 0 and self._in_flight[lane] >= bound

    def _settings(self, lane: str) -> LaneSettings:
        return self._lanes.get(lane, LaneSettings())

    def _flow(self, key: FlowKey) -> Flow:
        flow = self._flows.get(key)
        if flow is None:
            flow = self._flows[key] = Flow(key)
        return flow

    def _note_hunger(self, flow: Flow) -> None:
        if flow.wants_refill:
            self._hungry.add(flow.key)
        else:
            self._hungry.discard(flow.key)

    def _join(self, flow: Flow) -> None:
        self._note_hunger(flow)
        if len(flow):
            lane = flow.key.lane
            self._lane_order.join(lane, self._settings(lane).weight)
            self._flow_order[lane].join(flow.key, 1.0)

    def _leave(self, flow: Flow, job_id: JobId) -> None:
        flow.leave(job_id)
        self._note_hunger(flow)
        if len(flow):
            return
        order = self._flow_order[flow.key.lane]
        order.leave(flow.key)
        if not len(order):
            self._lane_order.leave(flow.key.lane)
        self._forget_if_done(flow)

    def _forget_if_done(self, flow: Flow) -> None:
        if flow.complete and not len(flow):
            del self._flows[flow.key]


def _key(candidate: Candidate) -> FlowKey:
    return FlowKey(candidate.lane, candidate.workflow, candidate.model)
