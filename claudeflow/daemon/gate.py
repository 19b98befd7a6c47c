"""Gate: the async face of one pool. It chooses the jobs that may go now, claims them and starts them.

All waiting happens here, before anybody holds anything: the gate sleeps until the earliest moment
at which something can go, or until it is woken because something changed. No worker ever waits
out a 429, so a herd cannot form.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from claudeflow.daemon.shared import Shared
from claudeflow.domain.attempt import Reply
from claudeflow.domain.errors import StoreError
from claudeflow.domain.events import OwnTrouble, PoolGated, PoolOpened
from claudeflow.domain.job import Candidate, Job
from claudeflow.domain.quota import Demand
from claudeflow.domain.report import PoolStatus
from claudeflow.policy.cache_plan import Turn
from claudeflow.policy.flow import WINDOW, FlowKey
from claudeflow.policy.gate import NotBefore
from claudeflow.policy.limiter import Limiter, Permit
from claudeflow.policy.pricing import UnknownModel
from claudeflow.policy.scheduler import Scheduler
from claudeflow.store import jobs as store_jobs

CLAIM_LIMIT = 16
"""How many jobs start in one turn of the loop: more would hold up everything else for too long."""

RECHECK_S = 1.0
"""How soon to look again when jobs wait for a hold or for a prefix."""

STORE_TROUBLE_PAUSE_S = 1.0

OUTPUT_WORTH = 5.0
"""Output costs five times the input for every model on the price list."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """A job that goes now. `leads` says that it writes a cold prefix for those behind it."""

    job: Job
    candidate: Candidate
    permit: Permit
    leads: bool
    gate: PoolGate


@dataclass(frozen=True, slots=True)
class _Choice:
    candidate: Candidate
    permit: Permit
    leads: bool


class PoolGate:
    """One pool's jobs on their way out."""

    def __init__(self, pool: str, limiter: Limiter, scheduler: Scheduler, shared: Shared) -> None:
        self.pool = pool
        self.limiter = limiter
        self.scheduler = scheduler
        self._shared = shared
        self._changed = asyncio.Event()
        self._stopping = False
        self._unpriced: set[str] = set()

    def wake(self) -> None:
        """Something changed: look again."""
        self._changed.set()

    def stop(self) -> None:
        """Start nothing more; `run` returns once the claim under way is done."""
        self._stopping = True
        self.wake()

    def arrive(self, candidates: Iterable[Candidate]) -> None:
        """Jobs of this pool became due."""
        for candidate in candidates:
            self.scheduler.arrive(candidate)
        self.wake()

    def gone(self, candidate: Candidate) -> None:
        """A waiting job is no longer queued."""
        self.scheduler.gone(candidate)

    async def run(self, start: Callable[[Assignment], None]) -> None:
        """Send jobs on their way until stopped."""
        while not self._stopping:
            self._changed.clear()
            try:
                await self._refill()
                choices, again_at = self._choose()
                if choices:
                    await self._launch(choices, start)
                    continue
            except StoreError as problem:
                self._shared.emit(OwnTrouble("claiming jobs", str(problem)))
                again_at = self._shared.clock.monotonic() + STORE_TROUBLE_PAUSE_S
                self._changed.clear()
            await self._sleep_until(again_at)

    def has_closed_on(self, permit: Permit) -> bool:
        """Whether a 429 came in since the permit was given: what has not left yet must not leave now."""
        return self.limiter.held and not permit.probe

    def answered(self, permit: Permit) -> None:
        """A response begins: if it is the probe's, the pool need not wait for its end."""
        if permit.probe and self.limiter.held:
            self.limiter.probe_answered(permit, self._shared.clock.monotonic())
            self._tell_opened()

    def _tell_opened(self) -> None:
        if not self.limiter.held:
            self._shared.emit(PoolOpened(self.pool))
            self.wake()

    def settle(self, assignment: Assignment, reply: Reply) -> None:
        """A call came back: book what it drew, learn from it, and look again."""
        clock, candidate = self._shared.clock, assignment.candidate
        was_held = self.limiter.held
        closed_s = self.limiter.settle(assignment.permit, reply, clock.monotonic(), clock.chance())
        if reply.usage_known and reply.usage.prompt_tokens:
            self._shared.estimator.learn(
                candidate.workflow,
                candidate.model,
                candidate.input_bytes,
                reply.usage,
                held=self.limiter.held,
            )
        self.scheduler.came_back(candidate.lane)
        if closed_s is not None:
            retry_after_s = getattr(reply.outcome, "retry_after_s", None)
            self._shared.emit(PoolGated(self.pool, closed_s, retry_after_s, self.limiter.theta))
        elif was_held:
            self._tell_opened()
        self.wake()

    def snapshot(self) -> PoolStatus:
        """How the pool stands."""
        return self.limiter.snapshot(self.pool, self._shared.clock.monotonic())

    def _choose(self) -> tuple[list[_Choice], float | None]:
        """The jobs that go now, and when to look again (None: when something changes)."""
        now = self._shared.clock.monotonic()
        choices: list[_Choice] = []
        while len(choices) < CLAIM_LIMIT:
            candidate = self.scheduler.pick(self._may_go)
            if candidate is None:
                return choices, now + RECHECK_S if self.scheduler.waiting() else None
            warm = self._shared.prefixes.is_warm(candidate.model, candidate.prefix, now)
            demand = self._shared.estimator.demand(candidate, warm=warm)
            verdict = self.limiter.reserve(demand, now)
            if isinstance(verdict, NotBefore):
                return choices, verdict.at
            choices.append(self._take(candidate, demand, verdict, now))
        return choices, now

    def _may_go(self, candidate: Candidate) -> bool:
        shared = self._shared
        if not self._has_price(candidate.model):
            return False
        if not shared.holds.lets_go(candidate.model, shared.clock.epoch_ms()):
            return False
        turn = shared.prefixes.turn(candidate.model, candidate.prefix, shared.clock.monotonic())
        return turn is not Turn.WAIT

    def _has_price(self, model: str) -> bool:
        """A call without a price could not be booked: its job waits until the price list names the model."""
        try:
            self._shared.prices.find(model)
        except UnknownModel as problem:
            if model not in self._unpriced:
                self._unpriced.add(model)
                self._shared.emit(OwnTrouble("pricing a call", str(problem)))
            return False
        self._unpriced.discard(model)
        return True

    def _take(self, candidate: Candidate, demand: Demand, permit: Permit, now: float) -> _Choice:
        prefixes = self._shared.prefixes
        leads = prefixes.turn(candidate.model, candidate.prefix, now) is Turn.LEAD
        if leads and candidate.prefix is not None:
            prefixes.lead(candidate.model, candidate.prefix, candidate.id, now)
        self._shared.holds.gone(candidate.model, candidate.id)
        self.scheduler.take(candidate, demand.input_tokens + OUTPUT_WORTH * demand.output_tokens)
        return _Choice(candidate, permit, leads)

    async def _launch(self, choices: list[_Choice], start: Callable[[Assignment], None]) -> None:
        shared = self._shared
        now_ms = shared.clock.epoch_ms()
        claims = [self._claim(choice.candidate, now_ms) for choice in choices]
        lease_until_ms = now_ms + int(shared.config.daemon.lease_s * 1000)
        claim = partial(
            store_jobs.claim,
            claims=claims,
            owner=shared.instance,
            lease_until_ms=lease_until_ms,
            now_ms=now_ms,
        )
        try:
            jobs = await shared.store.write(claim)
        except StoreError:
            for choice in choices:
                self._give_back(choice)
                self.scheduler.arrive(choice.candidate)
            raise
        for choice, job in zip(choices, jobs, strict=True):
            if job is None:
                self._give_back(choice)
            else:
                start(Assignment(job, choice.candidate, choice.permit, choice.leads, self))

    def _claim(self, candidate: Candidate, now_ms: int) -> store_jobs.Claim:
        prices, model = self._shared.prices, candidate.model
        bound = prices.upper_bound(
            model,
            candidate.most_input_tokens,
            candidate.max_tokens,
            now_ms,
            fast=prices.has_fast_mode(model, now_ms),
        )
        return store_jobs.Claim(candidate, self.pool, bound)

    def _give_back(self, choice: _Choice) -> None:
        candidate = choice.candidate
        self.limiter.abandon(choice.permit)
        self.scheduler.came_back(candidate.lane)
        self._shared.holds.call_never_left(candidate.id)
        if candidate.prefix is not None:
            self._shared.prefixes.ended(candidate.model, candidate.prefix, candidate.id, cached_tokens=None)

    async def _refill(self) -> None:
        """Show the scheduler more of the flows whose window runs low."""
        for key in self.scheduler.flows_to_refill():
            head = await self._shared.store.read(partial(store_jobs.flow_head, key=key, limit=WINDOW))
            self._show(key, head)

    def _show(self, key: FlowKey, head: list[Candidate]) -> None:
        self.scheduler.refill(key, head, all_there_is=len(head) < WINDOW)

    async def _sleep_until(self, moment: float | None) -> None:
        if moment is None:
            await self._changed.wait()
            return
        delay_s = moment - self._shared.clock.monotonic()
        if delay_s <= 0:
            await asyncio.sleep(0)
            return
        try:
            async with asyncio.timeout(delay_s):
                await self._changed.wait()
        except TimeoutError:
            return
