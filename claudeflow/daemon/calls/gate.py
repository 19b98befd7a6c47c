"""Gate: the async face of one pool. It chooses the jobs that may go now, claims them and starts them.

All waiting happens here, before anybody holds anything: the gate sleeps until the earliest moment
at which something can go, or until it is woken because something changed. No worker ever waits
out a 429, so a herd cannot form.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial

from claudeflow.daemon.budgets.keeper import IN_FLIGHT
from claudeflow.daemon.calls.assignment import Assignment, Member
from claudeflow.daemon.calls.caching import Caching
from claudeflow.daemon.calls.choosing import Choice, Choices, Choosing
from claudeflow.daemon.calls.claiming import claim
from claudeflow.daemon.packs.packs import PACK_COLD
from claudeflow.daemon.shared import Shared, finished_unsent
from claudeflow.domain.attempt import Reply
from claudeflow.domain.errors import StoreError
from claudeflow.domain.events import OwnTrouble, PoolGated, PoolOpened
from claudeflow.domain.job import Candidate, Job, JobError, JobState
from claudeflow.domain.quota import Demand
from claudeflow.domain.report import PoolStatus
from claudeflow.policy.lanes.scheduler import Scheduler
from claudeflow.policy.lanes.settings import largest_reserve
from claudeflow.policy.lanes.worth import worth_of
from claudeflow.policy.limits.limiter import Limiter, Permit
from claudeflow.store import jobs as store_jobs
from claudeflow.store import queue as store_queue

STORE_TROUBLE_PAUSE_S = 1.0

ELDEST = 16
"""How many of a lane's oldest jobs are looked at, beside those whose turn it is."""


class PoolGate:
    """One pool's jobs on their way out."""

    def __init__(self, pool: str, limiter: Limiter, scheduler: Scheduler, shared: Shared) -> None:
        self.pool = pool
        self.limiter = limiter
        self.scheduler = scheduler
        self._shared = shared
        self._caching = Caching(shared)
        self._changed = asyncio.Event()
        self._stopping = False
        self.choosing = Choosing(pool, limiter, scheduler, shared)

    def wake(self) -> None:
        """Something changed: look again."""
        self._changed.set()

    def look_anew(self) -> None:
        """Settings, prices or holds changed: look again at everything, and at what must wait as well."""
        lanes = self._shared.config.lanes
        self.limiter.keep_in_all(largest_reserve(lanes), self._shared.clock.monotonic())
        self.scheduler.reconfigure(lanes)
        self.wake()

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

    def room_in_budgets(self) -> None:
        """A reservation came back: who waits for calls under way is looked at again."""
        if self.choosing.waits_for_settlement:
            self.choosing.waits_for_settlement = False
            self.scheduler.let_in(IN_FLIGHT)
            self.wake()

    def prefix_changed(self, candidate: Candidate) -> None:
        """The job's prefix can be read from now on, or may be written by another job."""
        if candidate.prefix is None:
            return
        if candidate.items > 1:
            self.scheduler.let_in(PACK_COLD)
        else:
            self.scheduler.prefix_changed(candidate.model, candidate.prefix)
        self.wake()

    async def run(self, start: Callable[[Assignment], None]) -> None:
        """Send jobs on their way until stopped."""
        while not self._stopping:
            self._changed.clear()
            try:
                await self._refill()
                choices = self.choosing.choose()
                again_at = choices.again_at
                if choices.go or choices.too_large:
                    await self._carry_out(choices, start)
                    continue
            except StoreError as problem:
                self._shared.emit(OwnTrouble("claiming jobs", str(problem)))
                again_at = self._pause()
            except Exception as problem:  # noqa: BLE001 - a fault of ours must not end the daemon
                self._shared.emit(OwnTrouble("choosing jobs", f"{type(problem).__name__}: {problem}"))
                again_at = self._pause()
            await self._sleep_until(again_at)

    def _pause(self) -> float:
        """After trouble, whoever calls: until when (monotonic seconds) nothing is tried."""
        self._changed.clear()
        return self._shared.clock.monotonic() + STORE_TROUBLE_PAUSE_S

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
                duration_s=clock.monotonic() - assignment.permit.granted_at,
                items=candidate.items,
            )
        self.scheduler.came_back(candidate, _owed(assignment.permit, reply))
        self._look_again(candidate, reply, closed_s, was_held=was_held)

    def settle_prewarm(self, candidate: Candidate, permit: Permit, reply: Reply) -> None:
        """A call came back that was no try at a job: it teaches nothing of those."""
        clock, was_held = self._shared.clock, self.limiter.held
        closed_s = self.limiter.settle(permit, reply, clock.monotonic(), clock.chance())
        self._look_again(candidate, reply, closed_s, was_held=was_held)

    def _look_again(
        self, candidate: Candidate, reply: Reply, closed_s: float | None, *, was_held: bool
    ) -> None:
        self.prefix_changed(candidate)
        if closed_s is not None:
            retry_after_s = getattr(reply.outcome, "retry_after_s", None)
            self._shared.emit(PoolGated(self.pool, closed_s, retry_after_s, self.limiter.theta))
        elif was_held:
            self._tell_opened()
        self.wake()

    def snapshot(self) -> PoolStatus:
        """How the pool stands."""
        return self.limiter.snapshot(self.pool, self._shared.clock.monotonic())

    async def _carry_out(self, choices: Choices, start: Callable[[Assignment], None]) -> None:
        try:
            if choices.too_large:
                await self._refuse(choices.too_large)
        except StoreError:
            self._take_back(choices.go)
            raise
        if choices.go:
            await self._launch(choices.go, start)

    async def _launch(self, choices: list[Choice], start: Callable[[Assignment], None]) -> None:
        """Claim the jobs and start them. Raises StoreError; then all that did not start wait again."""
        try:
            jobs = await claim(self._shared, self.pool, choices)
        except StoreError:
            self._take_back(choices)
            raise
        except Exception as problem:  # noqa: BLE001 - whatever is wrong with one claim must not stop the others
            await self._launch_alone(choices, start, f"{type(problem).__name__}: {problem}")
            return
        for choice, claimed in zip(choices, jobs, strict=True):
            if not claimed:
                self._give_back(choice)
            else:
                start(self._assignment(claimed, choice))

    async def _launch_alone(
        self, choices: list[Choice], start: Callable[[Assignment], None], problem: str
    ) -> None:
        """Claim each by itself; the one that cannot be claimed is set aside. Raises StoreError."""
        if len(choices) == 1:
            self._take_back(choices)
            self.choosing.set_aside(choices[0].candidate, problem)
            return
        for number, choice in enumerate(choices):
            try:
                await self._launch([choice], start)
            except StoreError:
                self._take_back(choices[number + 1 :])
                raise

    def _assignment(self, jobs: list[Job], choice: Choice) -> Assignment:
        permit, reservation, plan, offer = choice.permit, choice.reservation, choice.plan, choice.offer
        if offer is None:
            return Assignment(jobs[0], choice.candidate, permit, reservation, plan, self)
        by_id = {candidate.id: candidate for candidate in offer.members}
        members = tuple(Member(job, by_id[job.id]) for job in jobs)
        call = choice.call
        if len(members) < len(offer.members) and self._shared.packs is not None:
            call = self._shared.packs.stand_in(call, [member.candidate for member in members], offer.shape)
        return Assignment(jobs[0], call, permit, reservation, plan, self, members=members, shape=offer.shape)

    def _take_back(self, choices: list[Choice]) -> None:
        """The store took no claim: these jobs wait again."""
        for choice in choices:
            self._give_back(choice)
            for candidate in (choice.candidate, *choice.others):
                self.scheduler.arrive(candidate)

    def _give_back(self, choice: Choice) -> None:
        candidate = choice.candidate
        self.limiter.abandon(choice.permit, self._shared.clock.monotonic())
        self._shared.budgets.settle(choice.reservation, 0)
        self.scheduler.came_back(candidate, -worth_of(choice.permit.demand))
        self._shared.holds.never_left(candidate.id)
        self._caching.never_left(choice.call, choice.plan)
        self.prefix_changed(choice.call)

    async def _refuse(self, refused: list[tuple[Candidate, JobError]]) -> None:
        """End the jobs that the limits never let go: they cost nothing."""
        now_ms = self._shared.clock.epoch_ms()
        endings = [store_queue.Ending(job.id, JobState.FAILED, error) for job, error in refused]
        try:
            ended = await self._shared.store.write(
                partial(store_queue.end_queued, endings=endings, now_ms=now_ms)
            )
        except StoreError:
            self.arrive(candidate for candidate, _ in refused)
            raise
        for (candidate, error), end in zip(refused, ended, strict=True):
            if end is not None:
                self._shared.emit(finished_unsent(candidate, JobState.FAILED, error, now_ms))

    async def _refill(self) -> None:
        """Show the scheduler more of the flows whose window runs low."""
        for key in self.scheduler.flows_to_refill():
            limit = self.scheduler.rows_to_read(key)
            head = await self._shared.store.read(partial(store_jobs.flow_head, key=key, limit=limit))
            self.scheduler.refill(key, head, all_there_is=len(head) < limit)
        for lane, model in self.scheduler.lanes_to_age(self._shared.clock.monotonic()):
            work = partial(store_queue.lane_eldest, lane=lane, model=model, limit=ELDEST)
            self.scheduler.show_eldest(await self._shared.store.read(work))

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


def _owed(permit: Permit, reply: Reply) -> float:
    """What a call was worth beyond what was expected; nothing is known of one without usage."""
    if not reply.usage_known:
        return 0.0
    drawn = Demand(reply.usage.charged_input_tokens, reply.usage.output_tokens)
    return worth_of(drawn) - worth_of(permit.demand)
