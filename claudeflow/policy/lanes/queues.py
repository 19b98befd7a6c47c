"""Queues: the waiting jobs of one pool, by lane, workflow and flow, and who of them is in the running.

Lanes and workflows are in the running while they have a job that may go as far as anybody knows.
What must wait is parked, and costs nothing until its moment comes or somebody lets it back in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import islice

from claudeflow.domain.job import Candidate, JobId
from claudeflow.policy.caching.paths import keys_of
from claudeflow.policy.lanes.elders import Elders
from claudeflow.policy.lanes.fairshare import FairShare
from claudeflow.policy.lanes.flow import Flow, FlowKey, key_of
from claudeflow.policy.lanes.lines import rank
from claudeflow.policy.lanes.parking import Block, Level, Parking, Spot, spot_of
from claudeflow.policy.lanes.settings import LaneSettings

JOINS_ALL_THE_SAME = frozenset({"pack_fill", "pack_cold"})
"""Rules that park a job which may go as soon as it shares a call."""

LEVELS = (Level.LANE, Level.WORKFLOW, Level.MODEL, Level.PREFIX, Level.JOB)


class Queues:
    """Who waits, in fair order."""

    def __init__(self, lanes: Mapping[str, LaneSettings]) -> None:
        self._settings = lanes
        self._flows: dict[FlowKey, Flow] = {}
        self._by_workflow: dict[tuple[str, str], dict[str, Flow]] = {}
        self._hungry: dict[FlowKey, None] = {}
        self._behind_prefix: defaultdict[tuple[str, str], dict[Spot, None]] = defaultdict(dict)
        self._seek_company: dict[FlowKey, dict[JobId, Candidate]] = {}
        self.lanes: FairShare[str] = FairShare()
        self.workflows: defaultdict[str, FairShare[str]] = defaultdict(FairShare)
        self.parking = Parking()
        self.elders = Elders(lanes)

    def __len__(self) -> int:
        return len(self._flows)

    def reconfigure(self, lanes: Mapping[str, LaneSettings]) -> None:
        """Other weights and rules hold from now on: everything parked is looked at anew."""
        self._settings = lanes
        self.elders.reconfigure(lanes)
        for lane in [lane for lane, _ in self.lanes.active()]:
            self.lanes.join(lane, self.weight_of(lane))
        for spot in self.parking.everything():
            self.free(spot)

    def weight_of(self, lane: str) -> float:
        """The share of a lane; 1 for one that is not configured."""
        return self._settings.get(lane, LaneSettings()).weight

    def expect(self, key: FlowKey) -> None:
        """The store holds due jobs of a flow that no one has shown us yet."""
        flow = self._flow(key)
        flow.complete = False
        self._settle(flow)

    def arrive(self, candidate: Candidate) -> None:
        """A job became due."""
        flow = self._flow(key_of(candidate))
        for job_id in flow.arrive(candidate):
            self.elders.drop(job_id)
        if candidate.id in flow.lines:
            self.elders.add(candidate)
        self._settle(flow)

    def gone(self, candidate: Candidate) -> None:
        """A waiting job is no longer queued."""
        self.elders.drop(candidate.id)
        flow = self._flows.get(key_of(candidate))
        if flow is not None:
            flow.leave(candidate.id)
            self._settle(flow)

    def take(self, candidate: Candidate, worth: float) -> None:
        """The job goes: its lane and workflow are charged."""
        self.elders.charge(candidate, worth)
        self.elders.drop(candidate.id)
        self.workflows[candidate.lane].charge(candidate.workflow, worth)
        self.lanes.charge(candidate.lane, worth)
        flow = self._flow(key_of(candidate))
        flow.served(candidate)
        self._settle(flow)

    def correct(self, candidate: Candidate, owed: float) -> None:
        """A job that went turned out to be worth `owed` more (negative: less) than was charged."""
        self.workflows[candidate.lane].correct(candidate.workflow, owed)
        self.lanes.correct(candidate.lane, owed)

    def flows_to_refill(self) -> list[FlowKey]:
        """Flows whose window runs low while the store has more. Read the store now, then `refill` each."""
        keys = list(self._hungry)
        for key in keys:
            self._flows[key].begin_refill()
        return keys

    def rows_to_read(self, key: FlowKey) -> int:
        """How many first jobs of a flow the store is to name for a refill."""
        return self._flow(key).rows_to_read

    def refill(self, key: FlowKey, candidates: Iterable[Candidate], *, all_there_is: bool) -> None:
        """What the store named as a flow's first jobs."""
        flow = self._flow(key)
        shown = list(candidates)
        flow.refill(shown, all_there_is=all_there_is)
        for candidate in shown:
            if candidate.id in flow.lines:
                self.elders.add(candidate)
        self._settle(flow)

    def partly_shown(self) -> list[tuple[str, str]]:
        """Lane and model of the flows whose oldest jobs may be in the store alone."""
        return list(
            dict.fromkeys((key.lane, key.model) for key, flow in self._flows.items() if not flow.complete)
        )

    def show_eldest(self, candidates: Iterable[Candidate]) -> None:
        """Jobs that wait long, wherever their flow's window ends."""
        for candidate in candidates:
            flow = self._flow(key_of(candidate))
            if candidate.id not in flow.lines:
                flow.lines.add(candidate)
            self.elders.add(candidate)
            self._settle(flow)

    def waiting_lanes(self) -> list[str]:
        """The lanes that have due jobs."""
        return list(dict.fromkeys(key.lane for key in self._flows))

    def next_of(self, lane: str, workflow: str) -> Candidate | None:
        """The job of a workflow that goes next, among those that need not wait."""
        return self.elders.due_at((lane, workflow)) or self.first_of(lane, workflow)

    def first_of(self, lane: str, workflow: str) -> Candidate | None:
        """The job of a workflow that goes before its others, among those that need not wait."""
        flows = self._by_workflow.get((lane, workflow), {})
        heads = [flow.head() for model, flow in flows.items() if not self._model_waits(lane, workflow, model)]
        found = [head for head in heads if head is not None]
        return min(found, key=rank) if len(found) > 1 else (found[0] if found else None)

    def block_of(self, candidate: Candidate) -> Block | None:
        """Why the job is parked, if it is; the widest reason first."""
        spots = [spot_of(level, candidate) for level in LEVELS]
        spots += [spot_of(Level.PREFIX, candidate, key) for key in sorted(keys_of(candidate.prefix))]
        blocks = (self.parking.block(spot) for spot in sorted(spots, key=lambda spot: spot.level.value))
        return next((block for block in blocks if block is not None), None)

    def park(self, candidate: Candidate, block: Block) -> None:
        """What this job stands for must wait."""
        spot = spot_of(block.level, candidate, block.prefix)
        self.parking.put(spot, block)
        flow = self._flow(key_of(candidate))
        if spot.level is Level.LANE:
            self.elders.park_lane(spot.lane)
        else:
            self.elders.set_aside(candidate)
        if spot.level is Level.PREFIX:
            flow.lines.park(spot.prefix)
            if spot.prefix is not None:
                self._behind_prefix[candidate.model, spot.prefix][spot] = None
        elif spot.level is Level.JOB:
            flow.lines.set_aside(candidate)
            if block.rule in JOINS_ALL_THE_SAME:
                self._seek_company.setdefault(flow.key, {})[candidate.id] = candidate
        self._settle(flow)

    def free(self, spot: Spot) -> None:
        """What is parked there may be looked at again."""
        if not self.parking.take(spot):
            return
        self.elders.let_in(spot.lane)
        flow = self._flows.get(FlowKey(spot.lane, spot.workflow, spot.model))
        if flow is not None and spot.level is Level.PREFIX:
            flow.lines.free(spot.prefix)
        elif flow is not None and spot.job_id is not None:
            flow.lines.let_in(spot.job_id)
        self._let_in(spot)

    def prefix_changed(self, model: str, path: str) -> None:
        """A prefix became warm, or the job that was to write it failed: so did every part of its path."""
        for prefix in (path, *keys_of(path)):
            for spot in self._behind_prefix.pop((model, prefix), ()):
                self.free(spot)

    def let_in(self, rule: str) -> None:
        """What this rule has parked may be looked at again."""
        for spot in self.parking.everything():
            block = self.parking.block(spot)
            if block is not None and block.rule == rule:
                self.free(spot)

    def has_another(self, candidate: Candidate) -> bool:
        """Whether another job of its flow, with the same path, is in sight."""
        flow = self._flows.get(key_of(candidate))
        return flow is not None and flow.lines.has_another(candidate)

    def companions(self, candidate: Candidate, limit: int) -> list[Candidate]:
        """The jobs of its flow that may share its call, in order; some may wait for just that."""
        flow = self._flows.get(key_of(candidate))
        if flow is None or limit <= 0:
            return []
        ready = flow.lines.in_line(candidate.prefix)
        found = list(islice((job for job in ready if _goes_with(job, candidate)), limit))
        ready.close()
        found += [job for job in self._seeking(flow) if _goes_with(job, candidate)]
        return sorted(found, key=rank)[:limit]

    def waits_for_company(self, candidate: Candidate) -> Block | None:
        """Why the job waits to share a call, if it does."""
        block = self.parking.block(spot_of(Level.JOB, candidate))
        return block if block is not None and block.rule in JOINS_ALL_THE_SAME else None

    def _seeking(self, flow: Flow) -> list[Candidate]:
        """The jobs that are set aside and would go in company."""
        known = self._seek_company.get(flow.key, {})
        found = [
            job
            for job in known.values()
            if flow.lines.is_aside(job.id) and self.waits_for_company(job) is not None
        ]
        self._seek_company[flow.key] = {job.id: job for job in found}
        return found

    def has_others(self, candidate: Candidate) -> bool:
        """Whether other jobs of its lane are in sight."""
        return any(
            len(flow) > (candidate.id in flow.lines)
            for key, flow in self._flows.items()
            if key.lane == candidate.lane
        )

    def sample_of(self, spot: Spot) -> Candidate | None:
        """A job of a parked lane or workflow by which to judge it; None: judge each on its own."""
        if spot.level not in (Level.LANE, Level.WORKFLOW):
            return None
        workflow = spot.workflow or self.workflows[spot.lane].first()
        return None if workflow is None else self.first_of(spot.lane, workflow)

    def _model_waits(self, lane: str, workflow: str, model: str) -> bool:
        return Spot(Level.MODEL, lane, workflow, model) in self.parking

    def _flow(self, key: FlowKey) -> Flow:
        flow = self._flows.get(key)
        if flow is None:
            flow = self._flows[key] = Flow(key)
            self._by_workflow.setdefault((key.lane, key.workflow), {})[key.model] = flow
        return flow

    def _settle(self, flow: Flow) -> None:
        """After any change: is the flow to be refilled, forgotten, in the running?"""
        key = flow.key
        if flow.wants_refill:
            self._hungry[key] = None
        else:
            self._hungry.pop(key, None)
        if flow.complete and not len(flow):
            self._flows.pop(key, None)
            self._seek_company.pop(key, None)
            siblings = self._by_workflow.get((key.lane, key.workflow), {})
            siblings.pop(key.model, None)
            if not siblings:
                self._by_workflow.pop((key.lane, key.workflow), None)
        self._seat(key.lane, key.workflow)

    def _let_in(self, spot: Spot) -> None:
        if spot.level is Level.LANE:
            self._seat_lane(spot.lane)
        else:
            self._seat(spot.lane, spot.workflow)

    def _seat(self, lane: str, workflow: str) -> None:
        order = self.workflows[lane]
        waits = Spot(Level.WORKFLOW, lane, workflow) in self.parking
        if not waits and self.first_of(lane, workflow) is not None:
            order.join(workflow, 1.0)
        else:
            order.leave(workflow)
        self._seat_lane(lane)

    def _seat_lane(self, lane: str) -> None:
        if len(self.workflows[lane]) and Spot(Level.LANE, lane) not in self.parking:
            self.lanes.join(lane, self.weight_of(lane))
        else:
            self.lanes.leave(lane)


def _goes_with(job: Candidate, other: Candidate) -> bool:
    """Whether both are of one prompt version, and not the same."""
    return job.pack == other.pack and job.id != other.id
