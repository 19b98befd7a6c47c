"""Holds at work: set, probed and ended by calls and by people, in memory at once, then on the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from claudeflow.daemon.keys import KeyRing
from claudeflow.daemon.shared import Shared
from claudeflow.domain.attempt import Blocked, Interrupted, Outcome, Rejected, Reply, Succeeded, Transient
from claudeflow.domain.errors import StoreError
from claudeflow.domain.events import Event, HoldReleased, HoldSet, OwnTrouble
from claudeflow.domain.hold import CLAUDEFLOW, Hold, HoldAction, HoldCause, HoldChange, Scope, ScopeKind
from claudeflow.domain.job import Candidate, Job
from claudeflow.policy.retries.holds import Change
from claudeflow.policy.retries.refusals import Refusal, Refusals
from claudeflow.store import holds as store_holds
from claudeflow.store.database import Work

ReleaseBudget = Callable[[Hold, str, str], Awaitable[None]]
"""Lets go what a budget holds: the hold, why, and who wants it."""

LOOK_EVERY_S = 1.0
KEY_EVERY_S = 5.0

BEHIND_S = 1_800.0
"""How long a probe that was refused its model lets others be the probe: they may be served."""

A_PROBE_WENT_WELL = "a probe went well"
ITS_TIME_IS_OVER = "its time is over"
ITS_JOB_IS_DONE = "the job will not go any more"


class Floor(Protocol):
    """What holds need of whoever works on jobs."""

    def arrive(self, candidates: Iterable[Candidate]) -> None:
        """Jobs became due."""
        ...

    def remind(self, at_ms: int) -> None:
        """A waiting job becomes due then."""
        ...

    def gone(self, candidate: Candidate) -> None:
        """A job is no longer to be had."""
        ...

    def wake(self) -> None:
        """Something changed: look again at what may go."""
        ...


class HoldKeeper:
    """One per daemon. What a call shows is noted here, what people want done here."""

    def __init__(self, shared: Shared, floor: Floor) -> None:
        self._shared = shared
        self._book = shared.holds
        self._floor = floor
        self._refusals = Refusals()
        self._keys: KeyRing | None = None
        self._release_budget: ReleaseBudget | None = None
        self.needed = asyncio.Event()
        """Set while there may be holds to look after."""
        self.needed.set()

    def apply(self, event: Event) -> None:
        """A hold that begins has to be looked after."""
        if isinstance(event, HoldSet):
            self.needed.set()

    def use(self, keys: KeyRing) -> None:
        """Look there for a new key when the one in use is refused."""
        self._keys = keys

    def use_budgets(self, release: ReleaseBudget) -> None:
        """Ask there for the release of what a budget holds."""
        self._release_budget = release

    async def call_begins(self, job: Job | Candidate) -> None:
        """A call is about to leave. A probe is noted first, so that no restart makes it one too many."""
        probed = self._book.probed_by(job.id)
        if not probed:
            return
        if self._keys is not None and any(hold.cause is HoldCause.AUTHENTICATION for hold in probed):
            self._keys.refresh()
        await self._try_to_keep(put=probed)

    async def call_ended(self, job: Job | Candidate, reply: Reply) -> Outcome:
        """Note what a call showed: the outcome as it counts for its job."""
        if isinstance(reply.outcome, Blocked):
            return await self._blocked(job, reply.outcome)
        if isinstance(reply.outcome, Interrupted) and not reply.sent:
            self._book.never_left(job.id)
        elif nothing_was_in_its_way(reply):
            self._refusals.served(job.model)
            await self._note(self._book.went_well(job.id))
        else:
            now_ms = self._shared.clock.epoch_ms()
            await self._note(self._book.proved_nothing(job.id, now_ms, left=reply.sent))
        return reply.outcome

    async def hold(self, scope: Scope, reason: str, until_ms: int | None, who: str) -> tuple[Hold, bool]:
        """Hold a scope, or change why and how long; the hold, and whether it is new. Raises StoreError."""
        now_ms = self._shared.clock.epoch_ms()
        is_new = not any(hold.by_hand for hold in self._book.on(scope))
        wanted = Hold(scope, HoldCause.MANUAL, reason, now_ms, until_ms=until_ms, set_by=who)
        action = HoldAction.SET if is_new else HoldAction.CHANGED
        change = HoldChange(now_ms, action, scope, wanted.cause, reason, who, until_ms)
        parked = await self._shared.store.write(
            partial(store_holds.hold, hold=self._book.as_by_hand(wanted), change=change)
        )
        hold = self._book.set_by_hand(wanted)
        if parked is not None:
            self._floor.gone(parked)
        self._shared.emit(HoldSet(hold))
        self._floor.wake()
        return hold, is_new

    async def release(self, holds: Iterable[Hold], reason: str, who: str) -> None:
        """End holds by somebody's word. Raises StoreError."""
        now_ms = self._shared.clock.epoch_ms()
        there = [hold for hold in holds if hold in self._book.on(hold.scope)]
        for hold in there:
            if hold.cause is HoldCause.BUDGET and self._release_budget is not None:
                await self._release_budget(hold, reason, who)
        ending = [hold for hold in there if hold.cause is not HoldCause.BUDGET]
        if not ending:
            return
        changes = _released(ending, reason, who, now_ms)
        unparked = await self._shared.store.write(
            partial(store_holds.release, holds=ending, changes=changes, now_ms=now_ms)
        )
        for hold in ending:
            self._book.release(hold)
            self._shared.emit(HoldReleased(hold.scope, reason, hold.cause, who))
        for found in unparked:
            self._show(found)
        self._floor.wake()

    async def end_what_is_over(self) -> None:
        """Release holds whose time is over, and those on jobs that will not go any more."""
        now_ms = self._shared.clock.epoch_ms()
        await self.release(self._book.expired(now_ms), ITS_TIME_IS_OVER, CLAUDEFLOW)
        if not self._book.in_force(now_ms):
            self.needed.clear()
        if any(hold.scope.kind is ScopeKind.JOB for hold in self._book.in_force(now_ms)):
            at_rest = await self._shared.store.read(store_holds.held_jobs_at_rest)
            ended = [hold for scope in at_rest for hold in self._book.on(scope)]
            await self.release(ended, ITS_JOB_IS_DONE, CLAUDEFLOW)

    async def look_for_a_key(self) -> None:
        """While the key is refused, take up a new one as soon as there is one."""
        now_ms = self._shared.clock.epoch_ms()
        if any(hold.cause is HoldCause.AUTHENTICATION for hold in self._book.in_force(now_ms)):
            await self.take_up_key()

    async def take_up_key(self) -> None:
        """Look for a new key now; a probe tests it at once."""
        if self._keys is None or not self._keys.refresh():
            return
        probed = self._book.probe_now(HoldCause.AUTHENTICATION, self._shared.clock.epoch_ms())
        await self._try_to_keep(put=probed)
        self._floor.wake()

    async def _blocked(self, job: Job | Candidate, outcome: Blocked) -> Outcome:
        now_ms = self._shared.clock.epoch_ms()
        is_probe = bool(self._book.probed_by(job.id))
        if outcome.cause is HoldCause.PERMISSION and not is_probe:
            refusal = self._refusals.judge(job.model, job.id, now_ms)
            if refusal is not Refusal.REPEATED:
                self._book.proved_nothing(job.id, now_ms, left=True)
                return (Transient if refusal is Refusal.FIRST else Rejected)(outcome.error)
        change = self._book.showed(job.id, outcome.cause, job.model, outcome.error.message, now_ms)
        await self._note(change)
        if outcome.cause is HoldCause.PERMISSION and is_probe:
            return replace(outcome, delay_s=BEHIND_S)
        return outcome

    async def _note(self, change: Change) -> None:
        """Write what a call's end did to the holds, and tell it."""
        if change == Change():
            return
        now_ms = self._shared.clock.epoch_ms()
        begun = [
            HoldChange(now_ms, HoldAction.SET, hold.scope, hold.cause, hold.reason, CLAUDEFLOW)
            for hold in change.begun
        ]
        ended = _released(change.ended, A_PROBE_WENT_WELL, CLAUDEFLOW, now_ms)
        for hold in change.begun:
            self._shared.emit(HoldSet(hold))
        for hold in change.ended:
            self._shared.emit(HoldReleased(hold.scope, A_PROBE_WENT_WELL, hold.cause))
        self._floor.wake()
        await self._try_to_keep(put=(*change.begun, *change.kept), drop=change.ended, changes=begun + ended)

    async def _try_to_keep(self, **what: Any) -> None:
        """Write it, once: what is lost in a full disk is found out again by the next call or probe."""
        work: Work[None] = partial(store_holds.keep, **what)
        try:
            await self._shared.store.write(work)
        except StoreError as problem:
            self._shared.emit(OwnTrouble("keeping a hold", str(problem)))

    def _show(self, found: store_holds.Unparked) -> None:
        if found.due_ms is None:
            self._floor.arrive([found.candidate])
        else:
            self._floor.remind(found.due_ms)


def nothing_was_in_its_way(reply: Reply) -> bool:
    """Whether the API has looked at the request itself: key, money and model were all right then."""
    match reply.outcome:
        case Succeeded():
            return True
        case Rejected(error):
            return reply.http_status is not None and error.type != f"http_{reply.http_status}"
        case _:
            return reply.first_byte_s is not None


def _released(holds: Iterable[Hold], reason: str, who: str, now_ms: int) -> list[HoldChange]:
    return [
        HoldChange(now_ms, HoldAction.RELEASED, hold.scope, hold.cause, reason, who, hold.until_ms)
        for hold in holds
    ]
