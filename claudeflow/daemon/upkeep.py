"""Upkeep: what must happen in time, whatever else goes on. Each duty is a loop of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial

import orjson

from claudeflow.daemon.shared import Shared, finished_unsent
from claudeflow.domain.errors import StoreError
from claudeflow.domain.events import OwnTrouble
from claudeflow.domain.job import Candidate, JobError, JobId, JobState
from claudeflow.policy.lanes.deadlines import too_late
from claudeflow.store import jobs as store_jobs
from claudeflow.store import queue as store_queue
from claudeflow.store import state as store_state

WAKE_LIMIT = 1_000
EXPIRE_LIMIT = 1_000
EXPIRE_EVERY_S = 1.0
LOOK_AHEAD_MS = 3_600_000
"""No call takes longer than this: a later deadline can be met."""
NO_END_MS = 2**63 - 1
CALM_S = 60.0
"""How long nobody looks at deadlines that are all far away: the host's clock may be set meanwhile."""
CLOCK_LOOK_S = 15.0
"""How long nobody asks the clock while a job waits for its time: the host's clock may be set meanwhile."""
SAVE_EVERY_S = 15.0
TROUBLE_PAUSE_S = 1.0

Arrive = Callable[[Iterable[Candidate]], None]
Gone = Callable[[Candidate], None]
Memory = Callable[[], dict[str, object]]
Duty = Callable[[], Awaitable[None]]


class Upkeep:
    """Wakes waiting jobs, expires late ones, renews leases, saves what was learned."""

    def __init__(
        self, shared: Shared, arrive: Arrive, gone: Gone, memory: Memory, is_busy: Callable[[], bool]
    ) -> None:
        self._shared = shared
        self._arrive = arrive
        self._gone = gone
        self._memory = memory
        self._is_busy = is_busy
        self._more: list[tuple[float, Duty, asyncio.Event | None]] = []
        self._saved: dict[str, bytes] = {}
        self._next_waking_ms: int | None = 0
        self._sooner = asyncio.Event()
        self._save = asyncio.Event()
        self._deadlines = asyncio.Event()

    def remind(self, at_ms: int) -> None:
        """A waiting job becomes due at this moment."""
        self._deadlines.set()
        if self._next_waking_ms is None or at_ms < self._next_waking_ms:
            self._next_waking_ms = at_ms
            self._sooner.set()

    def look_at_deadlines(self) -> None:
        """A job is queued that may have a deadline."""
        self._deadlines.set()

    def save_soon(self) -> None:
        """Something was learned that must not wait for the next regular saving."""
        self._save.set()

    def also(self, every_s: float, duty: Duty, needed: asyncio.Event | None = None) -> None:
        """One more thing to do as long as `run` goes; with `needed` only while that is set."""
        self._more.append((every_s, duty, needed))

    async def run(self) -> None:
        """All duties, until cancelled."""
        async with asyncio.TaskGroup() as duties:
            duties.create_task(self._wake_waiting(), name="wake-waiting")
            duties.create_task(self._keep_expiring(), name="expire-late")
            duties.create_task(self._every(self._renewal_s(), self.renew_leases), name="renew-leases")
            duties.create_task(self._keep_saving(), name="save-memory")
            for every_s, duty, needed in self._more:
                duties.create_task(self._every(every_s, duty, needed))

    async def expire_late(self) -> bool:
        """End queued jobs that cannot meet their deadline any more: they cost nothing.

        Whether any deadline is near enough to look again soon.
        """
        shared, now_ms = self._shared, self._shared.clock.epoch_ms()
        near = await self._with_deadline(now_ms + LOOK_AHEAD_MS, EXPIRE_LIMIT)
        late = {job.id: error for job in near if (error := too_late(job, shared.estimator, now_ms))}
        if late:
            await self._expire(late, now_ms)
        return bool(near)

    async def _with_deadline(self, before_ms: int, limit: int) -> list[Candidate]:
        work = partial(store_queue.near_deadline, before_ms=before_ms, limit=limit)
        return await self._shared.store.read(work)

    async def _expire(self, late: Mapping[JobId, JobError], now_ms: int) -> None:
        shared = self._shared
        endings = [store_queue.Ending(job_id, JobState.EXPIRED, error) for job_id, error in late.items()]
        for end in await shared.store.write(partial(store_queue.end_queued, endings=endings, now_ms=now_ms)):
            if end is not None:
                candidate, was_due = end
                if was_due:
                    self._gone(candidate)
                shared.emit(finished_unsent(candidate, JobState.EXPIRED, late[candidate.id], now_ms))

    async def renew_leases(self) -> None:
        """Prolong the lease of every running job by one UPDATE."""
        if not self._is_busy():
            return
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
        """Keep what was learned since the last time, and forget what has gone cold."""
        shared = self._shared
        shared.prefixes.forget(shared.clock.epoch_ms() / 1000)
        now_ms = shared.clock.epoch_ms()
        for name, value in self._memory().items():
            written = orjson.dumps(value)
            if written != self._saved.get(name):
                await shared.store.write(partial(store_state.remember, name=name, value=value, now_ms=now_ms))
                self._saved[name] = written

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
            left_s = (self._next_waking_ms - self._shared.clock.epoch_ms()) / 1000
            delay_s = min(max(0.0, left_s), CLOCK_LOOK_S)
        try:
            async with asyncio.timeout(delay_s):
                await self._sooner.wait()
        except TimeoutError:
            return

    async def _keep_expiring(self) -> None:
        """Look each second while a deadline is near, else when the next one comes near or a job is queued."""
        while True:
            self._deadlines.clear()
            try:
                calm_s = 0.0 if await self.expire_late() else await self._calm_s()
            except StoreError as problem:
                await self._pause(problem)
                continue
            await asyncio.sleep(EXPIRE_EVERY_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(calm_s):
                    await self._deadlines.wait()

    async def _calm_s(self) -> float | None:
        """How long no deadline needs a look, unless a job is queued; None when there is none at all."""
        first = await self._with_deadline(NO_END_MS, 1)
        deadlines = [job.deadline_ms for job in first if job.deadline_ms is not None]
        if not deadlines:
            return None
        left_s = (deadlines[0] - LOOK_AHEAD_MS - self._shared.clock.epoch_ms()) / 1000
        return min(max(0.0, left_s), CALM_S)

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

    async def _every(self, period_s: float, duty: Duty, needed: asyncio.Event | None = None) -> None:
        while True:
            if needed is not None:
                await needed.wait()
            await asyncio.sleep(period_s)
            try:
                await duty()
            except StoreError as problem:
                await self._pause(problem)
            except Exception as problem:  # noqa: BLE001 - one duty that fails must not end all others
                self._shared.emit(OwnTrouble("upkeep", f"a bug: {type(problem).__name__}"))
                await asyncio.sleep(TROUBLE_PAUSE_S)

    def _renewal_s(self) -> float:
        return self._shared.config.daemon.lease_s / 3

    async def _pause(self, problem: StoreError) -> None:
        self._next_waking_ms = 0
        self._shared.emit(OwnTrouble("upkeep", str(problem)))
        await asyncio.sleep(TROUBLE_PAUSE_S)
