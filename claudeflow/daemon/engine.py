"""Engine: the gates of all pools, the worker and the upkeep, started and drained in order."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from itertools import groupby

from claudeflow.daemon.batches.keeper import BatchKeeper
from claudeflow.daemon.calls.assignment import Assignment
from claudeflow.daemon.calls.gate import PoolGate
from claudeflow.daemon.calls.pool_view import PoolView
from claudeflow.daemon.calls.worker import Worker
from claudeflow.daemon.packs.packer import Packer
from claudeflow.daemon.shared import Shared
from claudeflow.daemon.upkeep import Upkeep
from claudeflow.domain.events import DaemonDraining, DaemonStopped, Event, JobRequeued, PoolGated
from claudeflow.domain.job import Candidate, JobId
from claudeflow.domain.pack_events import PromptUnpacked
from claudeflow.domain.report import PoolStatus
from claudeflow.intake.desks.desk import READY_PHASE
from claudeflow.policy.lanes.flow import FlowKey
from claudeflow.policy.lanes.scheduler import Scheduler
from claudeflow.policy.lanes.settings import largest_reserve
from claudeflow.policy.limits.limiter import Limiter
from claudeflow.policy.limits.settings import PoolLimits

CLOSED_UNTIL = "closed_until_ms"


class Engine:
    """Works on jobs. Jobs may arrive before `run`; they wait."""

    def __init__(self, shared: Shared, memory: dict[str, object]) -> None:
        self._shared = shared
        self._memory = memory
        self._gates: dict[str, PoolGate] = {}
        self._claiming: asyncio.TaskGroup | None = None
        self._working: asyncio.TaskGroup | None = None
        self._worker: Worker | None = None
        self._packer: Packer | None = None
        self._gate_tasks: list[asyncio.Task[None]] = []
        self.batches: BatchKeeper | None = None
        self.upkeep = Upkeep(shared, self.arrive, self.gone, self.memory, self.is_busy)
        self.phase = "starting"
        shared.budgets.on_room(self._room_in_budgets)

    @property
    def gates_are_alive(self) -> bool:
        """Whether every pool still has somebody who sends its jobs."""
        return self.phase != READY_PHASE or not any(task.done() for task in self._gate_tasks)

    def expect(self, flows: Iterable[FlowKey]) -> None:
        """The store already holds due jobs of these flows."""
        for key in flows:
            self._gate_of(key.model).scheduler.expect(key)

    def arrive(self, candidates: Iterable[Candidate]) -> None:
        """Jobs became due."""
        found = tuple(candidates)
        if self.batches is not None and any(candidate.batched for candidate in found):
            self.batches.wake()
            found = tuple(candidate for candidate in found if not candidate.batched)
        if any(candidate.deadline_ms is not None for candidate in found):
            self.upkeep.look_at_deadlines()
        for model, group in groupby(found, key=lambda candidate: candidate.model):
            self._gate_of(model).arrive(group)

    def remind(self, at_ms: int) -> None:
        """A waiting job becomes due then."""
        self.upkeep.remind(at_ms)

    def gone(self, candidate: Candidate) -> None:
        """A waiting job is no longer queued."""
        self._gate_of(candidate.model).gone(candidate)

    def wake(self) -> None:
        """Something changed that may let jobs go, or stop them: every pool looks again."""
        for gate in self._gates.values():
            gate.look_anew()
        if self.batches is not None:
            self.batches.wake()

    @property
    def is_working(self) -> bool:
        """Whether jobs are claimed now."""
        return self.phase == READY_PHASE

    def gate(self, model: str) -> PoolGate:
        """The gate of a model's pool."""
        return self._gate_of(model)

    def interrupt(self, job_id: JobId) -> bool:
        """Stop a running job's call."""
        alone = self._worker is not None and self._worker.interrupt(job_id)
        return alone or (self._packer is not None and self._packer.interrupt(job_id))

    def use_packer(self, packer: Packer) -> None:
        """Shared calls are made by this one."""
        self._packer = packer

    def is_busy(self) -> bool:
        """Whether any job runs."""
        return self._in_flight > 0

    def pools(self) -> tuple[PoolStatus, ...]:
        """How the pools stand."""
        return tuple(gate.snapshot() for _, gate in sorted(self._gates.items()))

    def view(self, model: str) -> PoolView | None:
        """A look at the pool of a model."""
        return PoolView(self._gate_of(model), self._shared)

    def views(self) -> list[PoolView]:
        """A look at every pool that is in use."""
        return [PoolView(gate, self._shared) for _, gate in sorted(self._gates.items())]

    def apply(self, event: Event) -> None:
        """A closed gate is remembered at once: a successor must not ask before `retry-after` either.

        Nor must it pack what canaries have shown to be answered otherwise.
        """
        if isinstance(event, PoolGated | PromptUnpacked):
            self.upkeep.save_soon()
        elif isinstance(event, JobRequeued):
            self.upkeep.look_at_deadlines()

    def memory(self) -> dict[str, object]:
        """What was learned, by name."""
        learned: dict[str, object] = {
            f"pool:{name}": self._memory_of(gate) for name, gate in self._gates.items()
        }
        return learned | {
            "estimates": self._shared.estimator.memory(),
            "prefixes": self._shared.prefixes.memory(),
            "batches": self._shared.batches.completion.memory(),
            "batch_hits": self._shared.batches.hits.memory(),
            "batch_pause": 0 if self.batches is None else self.batches.memory(),
            "packs": {} if self._shared.packs is None else self._shared.packs.memory(),
        }

    def reconfigure(self) -> None:
        """The shared configuration has changed: take it up where that needs no restart."""
        self._shared.budgets.reconfigure()
        self._shared.prefixes.settings = self._shared.config.cache
        if self.batches is not None:
            self.batches.reconfigure()
        self.wake()

    async def run(self, worker: Worker, stop: asyncio.Event, hurry: asyncio.Event) -> None:
        """Work until `stop`; then drain: claim nothing more, let calls finish within the grace
        period (or until `hurry`), return the rest to the queue.
        """
        self._worker = worker
        async with asyncio.TaskGroup() as background:
            duties = background.create_task(self.upkeep.run(), name="upkeep")
            async with asyncio.TaskGroup() as self._working:
                async with asyncio.TaskGroup() as self._claiming:
                    for gate in self._gates.values():
                        self._open(gate)
                    looking = self._look_after_batches()
                    self.phase = READY_PHASE
                    await stop.wait()
                    self.phase = "draining"
                    self._stop_claiming()
                cutting = background.create_task(self._cut_off(worker, looking, hurry), name="grace")
            released = cutting.result() if cutting.done() else 0
            cutting.cancel()
            duties.cancel()
        await self.upkeep.save_at_stop()
        self._shared.emit(DaemonStopped(released))

    def _look_after_batches(self) -> asyncio.Task[None] | None:
        assert self._working is not None
        if self.batches is None:
            return None
        return self._working.create_task(self.batches.run(), name="batches")

    async def _cut_off(self, worker: Worker, looking: asyncio.Task[None] | None, hurry: asyncio.Event) -> int:
        """Interrupt what still runs when the grace period is over; how many that were."""
        grace_s = self._shared.config.daemon.grace_s
        self._shared.emit(DaemonDraining(self._in_flight, grace_s))
        try:
            async with asyncio.timeout(grace_s):
                await hurry.wait()
        except TimeoutError:
            pass
        if looking is not None:
            looking.cancel()
        shared_ones = 0 if self._packer is None else self._packer.interrupt_all()
        return worker.interrupt_all() + shared_ones

    def _stop_claiming(self) -> None:
        if self.batches is not None:
            self.batches.stop()
        for gate in self._gates.values():
            gate.stop()

    def _start(self, task: Assignment) -> None:
        assert self._working is not None
        assert self._worker is not None
        if task.members:
            assert self._packer is not None
            self._working.create_task(self._packer.work(task))
        else:
            self._working.create_task(self._worker.work(task))

    @property
    def _in_flight(self) -> int:
        """How many jobs run by calls of ours."""
        alone = 0 if self._worker is None else self._worker.running
        return alone + (0 if self._packer is None else self._packer.running)

    def _open(self, gate: PoolGate) -> None:
        assert self._claiming is not None
        task = self._claiming.create_task(gate.run(self._start), name=f"gate {gate.pool}")
        self._gate_tasks.append(task)

    def _room_in_budgets(self) -> None:
        for gate in self._gates.values():
            gate.room_in_budgets()

    def _memory_of(self, gate: PoolGate) -> dict[str, object]:
        closed_ms = round(gate.snapshot().gate_closed_for_s * 1000)
        until_ms = self._shared.clock.epoch_ms() + closed_ms if closed_ms else 0
        return gate.limiter.memory() | {CLOSED_UNTIL: until_ms}

    def _gate_of(self, model: str) -> PoolGate:
        pool = self._shared.prices.pool_of(model)
        gate = self._gates.get(pool)
        if gate is None:
            gate = self._gates[pool] = self._new_gate(pool)
            if self.phase == READY_PHASE:
                self._open(gate)
        return gate

    def _new_gate(self, pool: str) -> PoolGate:
        shared, config = self._shared, self._shared.config
        now = shared.clock.monotonic()
        limits: PoolLimits = config.pools.get(pool, config.limits)
        limiter = Limiter(limits, config.limiter, now, reserve=largest_reserve(config.lanes))
        known = self._memory.get(f"pool:{pool}")
        if isinstance(known, dict):
            left_s = (known.get(CLOSED_UNTIL, 0) - shared.clock.epoch_ms()) / 1000
            limiter.recall({**known, "closed_for_s": left_s}, now)
        return PoolGate(pool, limiter, Scheduler(config.lanes), shared)


class IdleFloor:
    """The floor of a desk behind which nobody works: the store alone."""

    phase = "offline"

    def arrive(self, candidates: Iterable[Candidate]) -> None:
        """A daemon will find them in the store."""

    def remind(self, at_ms: int) -> None:
        """A daemon will find it in the store."""

    def gone(self, candidate: Candidate) -> None:
        """Nobody knew of it."""

    def wake(self) -> None:
        """Nobody is asleep."""

    def interrupt(self, job_id: JobId) -> bool:  # noqa: ARG002 - nothing runs
        """Nothing runs."""
        return False

    def pools(self) -> tuple[PoolStatus, ...]:
        """No pool is in use."""
        return ()

    def view(self, model: str) -> PoolView | None:  # noqa: ARG002 - there is no pool
        """Nobody looks after any pool."""
        return None

    def views(self) -> list[PoolView]:
        """No pool is in use."""
        return []
