"""Warming: one call that writes a prefix, from the books to the books."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import orjson

from claudeflow.daemon.calls.caching import Caching
from claudeflow.daemon.calls.gate import PoolGate
from claudeflow.daemon.calls.holds import HoldKeeper
from claudeflow.daemon.calls.requests import Requests
from claudeflow.daemon.calls.worker import Sender
from claudeflow.daemon.shared import Shared
from claudeflow.domain.attempt import Failure, Interrupted, Reply
from claudeflow.domain.errors import PromptError
from claudeflow.domain.events import CallEnded, OwnTrouble
from claudeflow.domain.job import Candidate, Job, JobError, JobId, Lease
from claudeflow.domain.prompt import Request
from claudeflow.domain.usage import NOTHING_BILLED, Bill
from claudeflow.policy.caching.plan import Plan, Turn
from claudeflow.policy.caching.prewarm import WaitingPrefix, prewarm_body
from claudeflow.policy.limits.limiter import Permit
from claudeflow.policy.money.accounts import Reservation
from claudeflow.policy.money.pricing import UnknownModel
from claudeflow.store import caching as store_caching
from claudeflow.store import ledger
from claudeflow.store.ledger import CallEnd

KIND = "prewarm"


@dataclass(frozen=True, slots=True)
class _Call:
    """A pre-warm that may go: `job` stands for those that wait, under an id that no job has."""

    job: Job
    candidate: Candidate
    plan: Plan
    permit: Permit
    reservation: Reservation
    gate: PoolGate


class Warming:
    """Makes the calls. One per daemon."""

    def __init__(self, shared: Shared, sender: Sender, requests: Requests, keeper: HoldKeeper) -> None:
        self._shared = shared
        self._sender = sender
        self._requests = requests
        self._keeper = keeper
        self._caching = Caching(shared, has_another=lambda _: True)

    async def warm(self, found: WaitingPrefix, gate: PoolGate) -> bool:
        """Write the prefix, unless something is in the way; whether a call was made. Raises StoreError."""
        work = partial(store_caching.prewarm_source, job_id=found.job_id)
        source = await self._shared.store.read(work)
        if source is None:
            return False
        stand_in = replace(source.candidate, id=JobId(-found.job_id), prefix=found.prefix, max_tokens=0)
        try:
            plan = self._caching.plan(stand_in)
            job = self._job(source, stand_in, gate)
            request = await self._requests.build(job, plan, streamed=False)
            body = prewarm_body(request.body)
            if body is None or plan.turn is Turn.WAIT:
                return False
            stand_in = replace(stand_in, input_bytes=len(orjson.dumps(body)))
            call = self._admit(job, stand_in, plan, gate)
        except (UnknownModel, PromptError):
            return False
        if call is not None:
            await self._send(call, Request(body, caches_for_1h=request.caches_for_1h))
        return call is not None

    def _job(self, source: store_caching.Source, stand_in: Candidate, gate: PoolGate) -> Job:
        now_ms = self._shared.clock.epoch_ms()
        return Job(
            id=stand_in.id,
            lane=stand_in.lane,
            workflow=stand_in.workflow,
            model=stand_in.model,
            pool=gate.pool,
            max_tokens=stand_in.max_tokens,
            body=source.body,
            prompt=source.prompt,
            prefix=source.candidate.prefix,
            submitted_ms=stand_in.submitted_ms,
            first_attempt_ms=now_ms,
            deadline_ms=None,
            attempts=0,
            tries=0,
            lease=Lease(0, self._shared.instance),
            call_id=0,
        )

    def _admit(self, job: Job, candidate: Candidate, plan: Plan, gate: PoolGate) -> _Call | None:
        """Room in limits and budgets, and no hold; else nothing: the first job writes the prefix then."""
        shared, now_ms = self._shared, self._shared.clock.epoch_ms()
        if gate.limiter.held or shared.holds.covering(candidate, gate.pool, now_ms):
            return None
        if self._caching.plan(candidate) != plan:
            return None
        reservation = shared.budgets.reserve(candidate, plan, now_ms)
        if not isinstance(reservation, Reservation):
            return None
        demand = shared.estimator.demand(candidate, warm=False)
        keep = gate.scheduler.rules.keep_of(candidate.lane)
        permit = gate.limiter.reserve(demand, shared.clock.monotonic(), keep=keep)
        if not isinstance(permit, Permit):
            shared.budgets.settle(reservation, 0)
            return None
        self._caching.start(candidate)
        shared.holds.gone(candidate, gate.pool, now_ms)
        return _Call(job, candidate, plan, permit, reservation, gate)

    async def _send(self, call: _Call, request: Request) -> None:
        shared, started = self._shared, self._shared.clock.monotonic()
        reply = Reply(Interrupted(JobError("interrupted", "the daemon stopped")), usage_known=False)
        call_id = None
        try:
            call_id = await self._open(call)
            sent_ms = shared.clock.epoch_ms()
            if call_id is None or call.gate.has_closed_on(call.permit):
                reply = Reply(Interrupted(JobError("held_back", "it had not left yet")), sent=False)
            else:
                began = partial(self._caching.began, call.candidate, call.plan, sent_ms)
                reply = await self._sender.send(request, on_start=began)
        finally:
            if call_id is None:
                reply = replace(reply, sent=False)
            try:
                await self._end(call, call_id, reply, shared.clock.monotonic() - started)
            finally:
                shared.budgets.settle(call.reservation, 0 if call_id is None else None)

    async def _open(self, call: _Call) -> int | None:
        """The call in the books; None when its job has gone meanwhile."""
        work = partial(
            store_caching.open_prewarm,
            job_id=-call.candidate.id,
            prefix=call.candidate.prefix,
            pool=call.gate.pool,
            owner=self._shared.instance,
            now_ms=call.reservation.at_ms,
            reserved_nanousd=call.reservation.bound_nanousd,
        )
        return await self._shared.store.write(work)

    async def _end(self, call: _Call, call_id: int | None, reply: Reply, duration_s: float) -> None:
        """Take what it shows into book, limiter and holds; then settle it in ledger and budgets."""
        job = replace(call.job, call_id=call_id or 0)
        sent_ms = call.reservation.at_ms
        self._caching.ended(call.candidate, job, call.plan, reply, sent_ms)
        call.gate.settle_prewarm(call.candidate, call.permit, reply)
        await self._keeper.call_ended(job, reply)
        if call_id is None:
            return
        bill = self._bill(job, reply, sent_ms)
        end = _end_of(reply, bill)
        self._tell(job, end, duration_s)
        now_ms = self._shared.clock.epoch_ms()
        await self._shared.store.write(partial(ledger.end_call, call_id=call_id, end=end, now_ms=now_ms))
        self._shared.budgets.settle(call.reservation, None if bill is None else bill.cost_nanousd)

    def _bill(self, job: Job, reply: Reply, sent_ms: int) -> Bill | None:
        """What it cost; without caching there would have been no such call."""
        if not reply.sent:
            return NOTHING_BILLED
        if not reply.usage_known:
            return None
        try:
            bill = self._shared.prices.bill(job.model, reply.usage, sent_ms)
        except UnknownModel as problem:
            self._shared.emit(OwnTrouble("pricing a call", str(problem)))
            return None
        return replace(bill, uncached_nanousd=0, plain_nanousd=0)

    def _tell(self, job: Job, end: CallEnd, duration_s: float) -> None:
        reply, bill = end.reply, end.bill or NOTHING_BILLED
        self._shared.emit(
            CallEnded(
                job_id=None,
                lane=job.lane,
                workflow=job.workflow,
                model=job.model,
                call_id=job.call_id,
                attempt=0,
                outcome=end.outcome,
                http_status=reply.http_status,
                request_id=reply.request_id,
                error=end.error,
                usage=reply.usage,
                cost_nanousd=bill.cost_nanousd,
                uncached_nanousd=bill.uncached_nanousd,
                queue_age_s=0.0,
                duration_s=duration_s,
                streamed=False,
                settled=end.bill is not None,
                kind=KIND,
                prompt_name=job.prompt.name if job.prompt else None,
                prompt_version=job.prompt.version if job.prompt else None,
                prefix=job.prefix,
            )
        )


def _end_of(reply: Reply, bill: Bill | None) -> CallEnd:
    error = reply.outcome.error if isinstance(reply.outcome, Failure) else None
    return CallEnd(type(reply.outcome).__name__.lower(), reply, bill, error, used_attempt=False)
