"""The desk for Message Batches, over the store and their keeper."""

from __future__ import annotations

from functools import partial

from claudeflow.daemon.batches.keeper import BatchKeeper
from claudeflow.daemon.shared import Shared
from claudeflow.domain.batch import BatchState
from claudeflow.domain.batch_report import BatchesView, BatchesWaiting, BatchRow, BatchSpendRow
from claudeflow.domain.errors import Conflict
from claudeflow.domain.events import JobFinished
from claudeflow.domain.job import JobRecord
from claudeflow.domain.report import Explanation
from claudeflow.domain.words import plural, span
from claudeflow.store import batch_ends, batch_items, batches
from claudeflow.store.batch_items import WaitingKind
from claudeflow.store.batches import BatchRecord

AT_ONCE = 200

MOST_WAITING = 200
"""So many kinds of jobs that wait for a batch are told of, those with the most jobs."""

MOST_KEPT = 1_000
"""Of so many batches it is kept what they cost: a sum over up to 100,000 calls each."""


class StoreBatchDesk:
    """A `BatchDesk` that people and their scripts work at."""

    def __init__(self, shared: Shared, keeper: BatchKeeper) -> None:
        self._shared = shared
        self._keeper = keeper
        self._spends: dict[int, BatchSpendRow] = {}

    async def list_batches(self, before_id: int | None, limit: int) -> BatchesView:
        """Batches, the newest first, and what waits for the next one."""
        store = self._shared.store
        records = await store.read(partial(batches.batches, before_id=before_id, limit=limit))
        kinds = await store.read(partial(batch_items.waiting, limit=MOST_WAITING))
        return BatchesView(
            tuple(_row_of(record) for record in records),
            tuple(self._waiting(kind) for kind in kinds),
            self._shared.batches.completion.expected_s(),
        )

    async def batch(self, batch_id: int) -> tuple[BatchRow, BatchSpendRow]:
        """One batch, and what it cost so far. Raises BatchNotFound."""
        store = self._shared.store
        record = await store.read(partial(batches.batch, batch_id=batch_id))
        return _row_of(record), self._spends.get(batch_id) or await self._spend_of(record)

    async def cancel(self, batch_id: int, who: str, *, jobs: bool) -> BatchRow:
        """Have a batch stopped; with `jobs` its jobs are cancelled, else they go on in another way.

        Raises BatchNotFound, Conflict.
        """
        store = self._shared.store
        record = await store.read(partial(batches.batch, batch_id=batch_id))
        if record.done_ms is not None:
            raise Conflict(f"batch {batch_id} is {record.state}: there is nothing left to stop")
        if record.state is BatchState.ENDED and not jobs:
            raise Conflict(f"batch {batch_id} has ended: its answers are being read")
        if jobs:
            # First: once the batch is to be stopped its keeper gives jobs back to the queue.
            await self._cancel_jobs(batch_id)
        record = await store.write(partial(batches.ask_to_cancel, batch_id=batch_id, who=who))
        self._keeper.wake()
        return _row_of(record)

    async def explain(self, record: JobRecord) -> Explanation | None:
        """Why a job that goes by a batch is where it is; None for any other."""
        if record.state.value == "running":
            batch_id = await self._shared.store.read(partial(batch_items.batch_of, job_id=record.id))
            if batch_id is None:
                return None
            found = await self._shared.store.read(partial(batches.batch, batch_id=batch_id))
            return Explanation(record.id, record.state.value, "in_batch", self._where(found))
        if not record.batched:
            return None
        outlook = self._keeper.outlook(record)
        return Explanation(record.id, record.state.value, "batch", outlook.why, outlook.until_ms)

    async def _spend_of(self, record: BatchRecord) -> BatchSpendRow:
        """What a batch cost; that of one in which everything is settled never changes."""
        spend = await self._shared.store.read(partial(batches.spend_of, batch_id=record.id))
        if record.state is BatchState.DONE and spend.bound_nanousd == 0:
            self._spends[record.id] = spend
            if len(self._spends) > MOST_KEPT:
                del self._spends[next(iter(self._spends))]
        return spend

    def _where(self, found: BatchRecord) -> str:
        name = f" ({found.api_id})" if found.api_id else ""
        has = f"it is in batch {found.id}{name} with {plural(found.requests, 'request')}"
        if found.created_ms is None:
            return f"{has}, which is {found.state.value}"
        age_s = max(0, self._shared.clock.epoch_ms() - found.created_ms) / 1000
        usual_s = self._shared.batches.completion.expected_s()
        return f"{has}, created {span(age_s)} ago; most are answered within {span(usual_s)}"

    async def _cancel_jobs(self, batch_id: int) -> None:
        shared, after = self._shared, 0
        while True:
            work = partial(batch_items.open_calls, batch_id=batch_id, after=after, limit=AT_ONCE)
            calls = await shared.store.read(work)
            now_ms = shared.clock.epoch_ms()
            cancelled = await shared.store.write(
                partial(batch_ends.cancel_all, batch_id=batch_id, calls=calls, now_ms=now_ms)
            )
            for record in cancelled:
                total_s = (now_ms - record.submitted_ms) / 1000
                shared.emit(
                    JobFinished(
                        record.id,
                        record.lane,
                        record.workflow,
                        record.state,
                        record.error,
                        total_s,
                        total_s,
                        record.submitted_by,
                    )
                )
            if len(calls) < AT_ONCE:
                return
            after = calls[-1]

    def _waiting(self, kind: WaitingKind) -> BatchesWaiting:
        outlook = self._keeper.outlook(kind)
        return BatchesWaiting(
            kind.lane,
            kind.workflow,
            kind.model,
            kind.requests,
            kind.bytes,
            kind.oldest_ms,
            outlook.why,
            outlook.until_ms,
        )


def _row_of(record: BatchRecord) -> BatchRow:
    return BatchRow(
        id=record.id,
        state=record.state,
        api_id=record.api_id,
        requests=record.requests,
        booked=record.booked,
        left=record.left,
        counts=record.counts,
        made_ms=record.made_ms,
        created_ms=record.created_ms,
        expires_ms=record.expires_ms,
        ended_ms=record.ended_ms,
        done_ms=record.done_ms,
        size_bytes=record.bytes,
        warms=bool(record.warms),
        marks=len(record.marks),
        cancel_by=record.cancel_by,
        problem=record.problem,
    )
