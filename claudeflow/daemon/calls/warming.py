"""Warming: one call that writes a prefix, from the books to the books."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import orjson

from claudeflow.daemon.calls.gate import PoolGate
from claudeflow.daemon.calls.requests import Requests
from claudeflow.daemon.calls.side_calls import SideCalls
from claudeflow.daemon.shared import Shared
from claudeflow.domain.errors import PromptError
from claudeflow.domain.job import Candidate, Job, JobId, Lease
from claudeflow.domain.prompt import Request
from claudeflow.domain.usage import Bill
from claudeflow.policy.caching.plan import Turn
from claudeflow.policy.caching.prewarm import WaitingPrefix, prewarm_body
from claudeflow.policy.money.pricing import UnknownModel
from claudeflow.store import caching as store_caching

KIND = "prewarm"


class Warming:
    """Makes the calls. One per daemon."""

    def __init__(self, shared: Shared, calls: SideCalls, requests: Requests) -> None:
        self._shared = shared
        self._calls = calls
        self._requests = requests

    async def warm(self, found: WaitingPrefix, gate: PoolGate) -> bool:
        """Write the prefix, unless something is in the way; whether a call was made. Raises StoreError."""
        work = partial(store_caching.prewarm_source, job_id=found.job_id)
        source = await self._shared.store.read(work)
        if source is None:
            return False
        stand_in = replace(source.candidate, id=JobId(-found.job_id), prefix=found.prefix, max_tokens=0)
        try:
            plan = self._calls.caching.plan(stand_in)
            job = stand_in_job(self._shared, source, stand_in, gate.pool)
            request = await self._requests.build(job, plan, streamed=False)
            body = prewarm_body(request.body)
            if body is None or plan.turn is Turn.WAIT:
                return False
            stand_in = replace(stand_in, input_bytes=len(orjson.dumps(body)))
            call = self._calls.admit(KIND, job, stand_in, plan, gate)
        except (UnknownModel, PromptError):
            return False
        if call is None:
            return False
        opening = partial(
            store_caching.open_prewarm,
            job_id=found.job_id,
            prefix=found.prefix,
            pool=gate.pool,
            owner=self._shared.instance,
            now_ms=call.reservation.at_ms,
            reserved_nanousd=call.reservation.bound_nanousd,
        )
        await self._calls.send(call, Request(body, caches_for_1h=request.caches_for_1h), opening, _counts)
        return True


def stand_in_job(shared: Shared, source: store_caching.Source, stand_in: Candidate, pool: str) -> Job:
    """A job as a side call about it needs it: nothing of it is leased."""
    return Job(
        id=stand_in.id,
        lane=stand_in.lane,
        workflow=stand_in.workflow,
        model=stand_in.model,
        pool=pool,
        max_tokens=stand_in.max_tokens,
        body=source.body,
        prompt=source.prompt,
        prefix=source.candidate.prefix,
        submitted_ms=stand_in.submitted_ms,
        first_attempt_ms=shared.clock.epoch_ms(),
        deadline_ms=None,
        attempts=0,
        tries=0,
        lease=Lease(0, shared.instance),
        call_id=0,
    )


def _counts(bill: Bill) -> Bill:
    """Without caching there would have been no such call."""
    return replace(bill, uncached_nanousd=0, plain_nanousd=0)
