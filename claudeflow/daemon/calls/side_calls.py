"""Side calls: calls that are no try at a job. They take what room is left, and are booked like any other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from claudeflow.daemon.calls.caching import Caching
from claudeflow.daemon.calls.gate import PoolGate
from claudeflow.daemon.calls.holds import HoldKeeper
from claudeflow.daemon.calls.recording import Recording, Told
from claudeflow.daemon.calls.worker import Sender
from claudeflow.daemon.shared import Shared
from claudeflow.domain.attempt import Failure, Interrupted, Reply
from claudeflow.domain.job import Candidate, Job, JobError
from claudeflow.domain.prompt import Request
from claudeflow.domain.usage import Bill
from claudeflow.policy.caching.plan import Plan
from claudeflow.policy.limits.limiter import Permit
from claudeflow.policy.money.accounts import Reservation
from claudeflow.store import ledger
from claudeflow.store.database import Work
from claudeflow.store.ledger import CallEnd

BillOf = Callable[[Bill], Bill]
"""What of a bill counts: a pre-warm would not have been without caching."""


@dataclass(frozen=True, slots=True)
class SideCall:
    """A call that may go: `job` stands for what it is about, under an id that no job has."""

    kind: str
    job: Job
    candidate: Candidate
    plan: Plan
    permit: Permit
    reservation: Reservation
    gate: PoolGate


def as_it_is(bill: Bill) -> Bill:
    """All of it counts."""
    return bill


class SideCalls:
    """Makes them. One per daemon."""

    def __init__(
        self, shared: Shared, sender: Sender, keeper: HoldKeeper, recording: Recording, caching: Caching
    ) -> None:
        self._shared = shared
        self._sender = sender
        self._keeper = keeper
        self._recording = recording
        self.caching = caching

    def admit(self, kind: str, job: Job, candidate: Candidate, plan: Plan, gate: PoolGate) -> SideCall | None:
        """Room in limits and budgets, and no hold; else nothing. Raises UnknownModel."""
        shared, now_ms = self._shared, self._shared.clock.epoch_ms()
        if gate.limiter.held or shared.holds.covering(candidate, gate.pool, now_ms):
            return None
        if self.caching.plan(candidate) != plan:
            return None
        reservation = shared.budgets.reserve(candidate, plan, now_ms)
        if not isinstance(reservation, Reservation):
            return None
        demand = shared.estimator.demand(candidate, warm=self.caching.is_warm(candidate))
        keep = gate.scheduler.rules.keep_of(candidate.lane)
        permit = gate.limiter.reserve(demand, shared.clock.monotonic(), keep=keep)
        if not isinstance(permit, Permit):
            shared.budgets.settle(reservation, 0)
            return None
        self.caching.start(candidate)
        shared.holds.gone(candidate, gate.pool, now_ms)
        return SideCall(kind, job, candidate, plan, permit, reservation, gate)

    async def send(
        self, call: SideCall, request: Request, opening: Work[int | None], counts: BillOf = as_it_is
    ) -> tuple[int | None, Reply]:
        """Write it by `opening`, send it, book it: its id, and what came back. Raises StoreError.

        Without an id there was nothing to open any more, and nothing was sent.
        """
        shared, started = self._shared, self._shared.clock.monotonic()
        reply = Reply(Interrupted(JobError("interrupted", "the daemon stopped")), usage_known=False)
        call_id = None
        try:
            call_id = await shared.store.write(opening)
            sent_ms = shared.clock.epoch_ms()
            if call_id is None or call.gate.has_closed_on(call.permit):
                reply = Reply(Interrupted(JobError("held_back", "it had not left yet")), sent=False)
            else:
                began = partial(self.caching.began, call.candidate, call.plan, sent_ms)
                reply = await self._sender.send(request, on_start=began)
        finally:
            if call_id is None:
                reply = replace(reply, sent=False)
            try:
                await self._end(call, call_id, reply, shared.clock.monotonic() - started, counts)
            finally:
                shared.budgets.settle(call.reservation, 0 if call_id is None else None)
        return call_id, reply

    async def _end(
        self, call: SideCall, call_id: int | None, reply: Reply, duration_s: float, counts: BillOf
    ) -> None:
        """Take what it shows into book, limiter and holds; then settle it in ledger and budgets."""
        sent_ms = call.reservation.at_ms
        job = replace(call.job, call_id=call_id or 0, opened_ms=sent_ms)
        self.caching.ended(call.candidate, job, call.plan, reply, sent_ms)
        call.gate.settle_prewarm(call.candidate, call.permit, reply)
        await self._keeper.call_ended(job, reply)
        if call_id is None:
            return
        bill = self._recording.bill(job, reply)
        end = _end_of(reply, None if bill is None else counts(bill))
        self._recording.tell(job, end, Told(duration_s, False, job.prefix, call.kind))
        now_ms = self._shared.clock.epoch_ms()
        await self._shared.store.write(partial(ledger.end_call, call_id=call_id, end=end, now_ms=now_ms))
        self._shared.budgets.settle(call.reservation, None if bill is None else bill.cost_nanousd)


def _end_of(reply: Reply, bill: Bill | None) -> CallEnd:
    error = reply.outcome.error if isinstance(reply.outcome, Failure) else None
    return CallEnd(type(reply.outcome).__name__.lower(), reply, bill, error, used_attempt=False)
