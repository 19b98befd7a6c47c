"""Upkeep: what must happen in time, whatever else goes on. Each duty is a loop of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from functools import partial

from claudeflow.daemon.shared import Shared, finished_unsent
from claudeflow.domain.errors import StoreError
from claudeflow.domain.events import OwnTrouble
from claudeflow.domain.job import Candidate, JobState
from claudeflow.policy.lanes.deadlines import too_late
from claudeflow.store import jobs as store_jobs
from claudeflow.store import queue as store_queue
from claudeflow.store import state as store_state

WAKE_LIMIT = 1_000
EXPIRE_LIMIT = 1_000
EXPIRE_EVERY_S = 1.0
LOOK_AHEAD_MS = 3_600_000
"""No call takes longer than this: a later deadline can be met."""
SAVE_EVERY_S = 15.0
TROUBLE_PAUSE_S = 1.0

Arrive = Callable[[Iterable[Candidate]], None]
Gone = Callable[[Candidate], None]
Memory = Callable[[], dict[str, object]]
Duty = Callable[[], Awaitable[None]]


class Upkeep:
    """Wakes waiting jobs, expires late ones, renews leases, saves what was learned."""

    def __init__(self, shared: Shared, arrive: Arrive, gone: Gone, memory: Memory) -> None:
        self._shared = shared
        self._arrive = arrive
        self._gone = gone
        self._memory = memory
        self._more: list[tuple[float, Duty]] = []
        self._next_waking_ms: int | None = 0
        self._sooner = asyncio.Event()
        self._save = asyncio.Event()

    def remind(self, at_ms: int) -> None:
        """A waiting job becomes due at this moment."""
        if self._next_waking_ms is None or at_ms < self._next_waking_ms:
            self._next_waking_ms = at_ms
            self._sooner.set()

    def save_soon(self) -> None:
        """Something was learned that must not wait for the next regular saving."""
        self._save.set()

    def also(self, every_s: float, duty: Duty) -> None:
        """One more thing to do as long as `run` goes."""
        self._more.append((every_s, duty))

    async def run(self) -> None:
        """All duties, until cancelled."""
        async with asyncio.TaskGroup() as duties:
            duties.create_task(self._wake_waiting(), name="wake-waiting")
            duties.create_task(self._every(EXPIRE_EVERY_S, self.expire_late), name="expire-late")
            duties.create_task(self._every(self._renewal_s(), self.renew_leases), name="renew-leases")
            duties.create_task(self._keep_saving(), name="save-memory")
            for every_s, duty in self._more:
                duties.create_task(self._every(every_s, duty))

    async def expire_late(self) -> None:
        """End queued jobs that cannot meet their deadline any more: they cost nothing."""
        shared, now_ms = self._shared, self._shared.clock.epoch_ms()
        before_ms = now_ms + LOOK_AHEAD_MS
        near = await shared.store.read(
            partial(store_queue.near_deadline, before_ms=before_ms, limit=EXPIRE_LIMIT)
        )
        late = {job.id: error for job in near if (error := too_late(job, shared.estimator, now_ms))}
        if not late:
            return
        endings = [store_queue.Ending(job_id, JobState.EXPIRED, error) for job_id, error in late.items()]
        for end in await shared.store.write(partial(store_queue.end_queued, endings=endings, now_ms=now_ms)):
            if end is not None:
                candidate, was_due = end
                if was_due:
                    self._gone(candidate)
                shared.emit(finished_unsent(candidate, JobState.EXPIRED, late[candidate.id], now_ms))

    async def renew_leases(self) -> None:
        """Prolong the lease of every running job by one UPDATE."""
        until_ms = self._shared.clock.epoch_ms() + int(self._shared.config.daemon.lease_s * 1000)
        await self._shared.store.write(
            partial(store_jobs.renew_leases, owner=self._shared.instance, lease_until_ms=until_ms)
        )

    async def save_at_stop(self) -> None:
        """Save once more; a full disk then loses some seconds of learning, and nothing else."""
        try:
            await self.save_memory()
        except StoreError as problem:
            self._shared.emit(OwnTrouble("upkeep", str(problem)))

    async def save_memory(self) -> None:
        """Keep what was learned, and forget what has gone cold."""
        shared = self._shared
        shared.prefixes.forget_cold(shared.clock.monotonic())
        now_ms = shared.clock.epoch_ms()
        for name, value in self._memory().items():
            await shared.store.write(partial(store_state.remember, name=name, value=value, now_ms=now_ms))

    async def _wake_waiting(self) -> None:
        while True:
            self._sooner.clear()
            try:
                await self._wake_due()
            except StoreError as problem:
                await self._pause(problem)
                continue
            await self._sleep_until_waking()

    async def _wake_due(self) -> None:
        now_ms = self._shared.clock.epoch_ms()
        if self._next_waking_ms is None or self._next_waking_ms > now_ms:
            return
        self._next_waking_ms = None
        work = partial(store_jobs.wake_due, now_ms=now_ms, limit=WAKE_LIMIT)
        due, next_ms = await self._shared.store.write(work)
        if next_ms is not None:
            self.remind(next_ms)
        self._arrive(due)

    async def _sleep_until_waking(self) -> None:
        delay_s = None
        if self._next_waking_ms is not None:
            delay_s = max(0.0, (self._next_waking_ms - self._shared.clock.epoch_ms()) / 1000)
        try:
            async with asyncio.timeout(delay_s):
                await self._sooner.wait()
        except TimeoutError:
            return

    async def _keep_saving(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SAVE_EVERY_S):
                    await self._save.wait()
            self._save.clear()
            try:
                await self.save_memory()
            except StoreError as problem:
                await self._pause(problem)

    async def _every(self, period_s: float, duty: Duty) -> None:
        while True:
            await asyncio.sleep(period_s)
            try:
                await duty()
            except StoreError as problem:
                await self._pause(problem)

    def _renewal_s(self) -> float:
        return self._shared.config.daemon.lease_s / 3

    async def _pause(self, problem: StoreError) -> None:
        self._next_waking_ms = 0
        self._shared.emit(OwnTrouble("upkeep", str(problem)))
        await asyncio.sleep(TROUBLE_PAUSE_S)
