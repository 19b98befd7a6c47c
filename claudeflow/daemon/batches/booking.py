"""Booking: what one result of a batch means for its job, its call and the money that was reserved for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from claudeflow.daemon.batches.money import BatchMoney
from claudeflow.daemon.batches.routing import Ended, route_back, route_of
from claudeflow.daemon.batches.telling import tell_call, tell_job
from claudeflow.daemon.calls.fate import end_of, fate_of
from claudeflow.daemon.calls.holds import Floor, HoldKeeper
from claudeflow.daemon.shared import Shared
from claudeflow.domain.attempt import Blocked, Failure, Interrupted, Overloaded, Reply, Throttled, Transient
from claudeflow.domain.batch import ItemKind
from claudeflow.domain.events import OwnTrouble
from claudeflow.domain.usage import NOTHING_BILLED, Bill
from claudeflow.policy.batching.routing import JobFacts
from claudeflow.policy.lanes.settings import LaneSettings
from claudeflow.policy.money.pricing import UnknownModel
from claudeflow.policy.retries.holds import SCOPE_OF
from claudeflow.policy.retries.retry import Decision, Release, Tries, decide
from claudeflow.store import batch_ends
from claudeflow.store.batch_ends import BatchEnd, Booked
from claudeflow.store.batch_items import BatchJob
from claudeflow.store.batches import BatchRecord
from claudeflow.store.ledger import Finish, Requeue

NOT_WAITED_FOR = Release("its job waits for it no more")


class Booking:
    """One per daemon. `floor` is told of jobs that wait again."""

    def __init__(self, shared: Shared, holds: HoldKeeper, money: BatchMoney, floor: Floor) -> None:
        self._shared = shared
        self._holds = holds
        self._money = money
        self._floor = floor

    async def end(self, record: BatchRecord, found: BatchJob, reply: Reply, kind: ItemKind) -> BatchEnd:
        """How the request ended, and what becomes of its job."""
        decision = await self._decide(found, reply)
        end = end_of(reply, decision, self._bill(record, found, reply))
        return BatchEnd(found, end, self._fate(found, reply, decision, kind))

    async def book(self, record: BatchRecord, ends: Sequence[BatchEnd]) -> None:
        """Write them, then tell. Raises StoreError."""
        shared = self._shared
        now_ms = shared.clock.epoch_ms()
        work = partial(batch_ends.book, batch_id=record.id, ends=ends, now_ms=now_ms)
        booked = await shared.store.write(work)
        for one, what in zip(ends, booked, strict=True):
            cost = None if one.end.bill is None else one.end.bill.cost_nanousd
            self._money.settle_job(record.id, one.found, cost)
            if cost is not None or not one.found.unknown:
                tell_call(shared, record, one)
            if what.moved:
                tell_job(shared, one, now_ms)
                self._show(one, what)

    async def _decide(self, found: BatchJob, reply: Reply) -> Decision:
        """The failure table, but for the turns of retries: those in a batch are no herd."""
        outcome = reply.outcome
        if isinstance(outcome, Blocked) and outcome.cause not in SCOPE_OF:
            self._seen_as_sent(found)
            await self._holds.call_ended(found.job, reply)
        if not found.waits:
            return NOT_WAITED_FOR
        config, job = self._shared.config, found.job
        window_s = config.lanes.get(job.lane, LaneSettings()).retry_window_s
        tries = Tries(job.attempts, job.trying_ms / 1000, window_s)
        return decide(outcome, tries, config.retry, self._shared.clock.chance())

    def _seen_as_sent(self, found: BatchJob) -> None:
        """The book of holds believes only calls that it saw leave; a probe must not be made of this one."""
        shared, now_ms = self._shared, self._shared.clock.epoch_ms()
        if not shared.holds.covering(found.candidate, found.job.pool, now_ms):
            shared.holds.gone(found.candidate, found.job.pool, now_ms)

    def _fate(self, found: BatchJob, reply: Reply, decision: Decision, kind: ItemKind) -> Finish | Requeue:
        outcome = reply.outcome
        if isinstance(outcome, Interrupted):
            return self._unanswered(found, kind)
        fate = fate_of(decision, None, self._shared.clock.epoch_ms())
        if isinstance(fate, Finish):
            return fate
        if isinstance(outcome, Blocked) and outcome.cause in SCOPE_OF:
            # Whether it is the job's fault or the model's, calls find out: a batch takes any model.
            why = f"its batch answered {outcome.error.type}: it goes by Messages"
            return Requeue(why, batched=False, returned=True)
        if isinstance(outcome, Throttled | Overloaded | Transient):
            return self._elsewhere(found, fate, outcome)
        return fate

    def _unanswered(self, found: BatchJob, kind: ItemKind) -> Requeue:
        """A request that came back unanswered: another batch, or Messages."""
        ended: Ended = ItemKind.CANCELED if kind is ItemKind.CANCELED else ItemKind.EXPIRED
        again = route_back(self._shared, found.job.lane, self._facts(found, found.returns), ended)
        return Requeue(again.why, batched=again.batched, returned=True)

    def _elsewhere(self, found: BatchJob, fate: Requeue, failure: Failure) -> Requeue:
        """A request that failed in a batch goes to no more of them than one that was not answered."""
        again = route_of(self._shared, found.job.lane, self._facts(found, found.returns + 1))
        where = "the next batch" if again.batched else "Messages"
        why = f"its batch answered {failure.error.type}: it is tried again by {where}"
        return replace(fate, reason=why, batched=again.batched, returned=True)

    def _facts(self, found: BatchJob, returned: int) -> JobFacts:
        return JobFacts(len(found.job.body), found.job.deadline_ms, returned=returned)

    def _bill(self, record: BatchRecord, found: BatchJob, reply: Reply) -> Bill | None:
        """What it cost, at the prices of the moment when its batch was created; None: only the API knows."""
        if not reply.usage_known:
            return None
        if reply.free or not reply.sent:
            return NOTHING_BILLED
        at_ms = record.created_ms or found.job.opened_ms
        try:
            return self._shared.prices.bill(found.job.model, reply.usage, at_ms, batch=True)
        except UnknownModel as problem:
            self._shared.emit(OwnTrouble("pricing a call", str(problem)))
            return None

    def _show(self, one: BatchEnd, what: Booked) -> None:
        """A job that waits again is to be had."""
        if isinstance(one.fate, Finish):
            return
        if one.fate.not_before_ms:
            self._floor.remind(one.fate.not_before_ms)
        elif what.candidate is not None:
            self._floor.arrive([what.candidate])
