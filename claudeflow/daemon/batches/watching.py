"""Watching: batches at the API are looked at now and then, stopped when wanted, and read at their end."""

from __future__ import annotations

from functools import partial

from claudeflow.daemon.batches.reading import Reader
from claudeflow.daemon.batches.sender import BatchPace, BatchSender
from claudeflow.daemon.batches.warmth import Warmth
from claudeflow.daemon.shared import Shared
from claudeflow.domain.attempt import Rejected
from claudeflow.domain.batch import BatchState, BatchTrouble, RemoteBatch
from claudeflow.domain.batch_events import BatchCancelAsked, BatchEnded
from claudeflow.domain.hold import CLAUDEFLOW
from claudeflow.policy.batching.lateness import should_cancel
from claudeflow.policy.batching.patience import is_gone
from claudeflow.store import batch_items, batches
from claudeflow.store.batches import BatchRecord

FEW_WAIT = f"{CLAUDEFLOW}: few jobs still wait for it"


class Watcher:
    """One per daemon."""

    def __init__(self, shared: Shared, warmth: Warmth, reader: Reader) -> None:
        self._shared = shared
        self._warmth = warmth
        self._reader = reader
        self._look_ms: dict[int, int] = {}
        self._missing_ms: dict[int, int] = {}
        self._stopped: set[int] = set()

    async def look(self, record: BatchRecord, sender: BatchSender, pace: BatchPace) -> int | None:
        """How far a batch is; when to look again (epoch ms). Raises StoreError."""
        now_ms = self._shared.clock.epoch_ms()
        record = await self._judged(record)
        assert record.api_id is not None
        is_running = record.state is BatchState.IN_PROGRESS
        wants_stop = is_running and record.cancel_by is not None and record.id not in self._stopped
        due_ms = self._look_ms.get(record.id, 0)
        if now_ms < due_ms and not wants_stop:
            return due_ms
        pace.called()
        if wants_stop:
            answer = await self._stop(record, sender)
        else:
            answer = await sender.retrieve(record.api_id)
        pace.heard(answer)
        if isinstance(answer, BatchTrouble):
            return await self._trouble(record, answer, asked_to_stop=wants_stop)
        return await self._told(record, answer)

    async def read(self, record: BatchRecord, sender: BatchSender, pace: BatchPace) -> int | None:
        """Book the results of a batch that has ended; when to read again (epoch ms). Raises StoreError."""
        now_ms, due_ms = self._shared.clock.epoch_ms(), self._look_ms.get(record.id, 0)
        if now_ms < due_ms:
            return due_ms
        again_ms = await self._reader.read(record, sender, pace)
        self._look_again(record, again_ms)
        return again_ms

    async def _judged(self, record: BatchRecord) -> BatchRecord:
        """What the API has not begun of a batch for which few jobs wait need not be paid for."""
        is_at_work = record.state is BatchState.IN_PROGRESS and record.cancel_by is None
        if not is_at_work or not should_cancel(record.left, record.requests - record.booked):
            return record
        work = partial(batches.ask_to_cancel, batch_id=record.id, who=FEW_WAIT)
        return await self._shared.store.write(work)

    async def _stop(self, record: BatchRecord, sender: BatchSender) -> RemoteBatch | BatchTrouble:
        """Ask the API to stop it."""
        assert record.api_id is not None
        answer = await sender.cancel(record.api_id)
        if isinstance(answer, RemoteBatch):
            self._stopped.add(record.id)
            self._shared.emit(BatchCancelAsked(record.id, record.api_id, record.cancel_by or ""))
        return answer

    async def _told(self, record: BatchRecord, remote: RemoteBatch) -> int | None:
        shared, now_ms = self._shared, self._shared.clock.epoch_ms()
        self._missing_ms.pop(record.id, None)
        known = await shared.store.write(partial(batches.told, batch_id=record.id, remote=remote))
        if known.state is not BatchState.ENDED:
            return self._look_again(record, now_ms + round(1000 * shared.config.batches.poll_s))
        self._look_again(record, None)
        self._stopped.discard(record.id)
        await self._ended(known, remote)
        if remote.archived_ms is not None:
            await self._reader.give_up(known, "the API keeps its results no more")
            return None
        return now_ms

    async def _ended(self, record: BatchRecord, remote: RemoteBatch) -> None:
        ended_ms = remote.ended_ms or self._shared.clock.epoch_ms()
        took_s = max(0, ended_ms - remote.created_ms) / 1000
        counts = remote.counts
        if not record.warms:
            canceled = record.cancel_by is not None or counts.canceled > 0
            self._shared.batches.completion.ended(took_s, canceled=canceled)
        if record.marks and counts.succeeded:
            pairs = await self._shared.store.read(partial(batch_items.models_of, batch_id=record.id))
            marked = [(model, base) for model, base in pairs if base in record.marks]
            self._warmth.marked(marked, remote.created_ms)
        self._shared.emit(
            BatchEnded(
                record.id,
                remote.id,
                took_s,
                counts.succeeded,
                counts.errored,
                counts.canceled,
                counts.expired,
            )
        )

    async def _trouble(
        self, record: BatchRecord, trouble: BatchTrouble, *, asked_to_stop: bool
    ) -> int | None:
        """Only a batch that stays missing is given up; everything else passes."""
        now_ms = self._shared.clock.epoch_ms()
        if asked_to_stop and isinstance(trouble.failure, Rejected) and not trouble.is_missing:
            # It cannot be stopped any more: a plain look tells how it ended.
            self._stopped.add(record.id)
            return self._look_again(record, now_ms)
        if trouble.is_missing:
            since_ms = self._missing_ms.setdefault(record.id, now_ms)
            if is_gone(since_ms, record.expires_ms, now_ms):
                await self._reader.give_up(record, "the API does not know it any more")
                return None
        problem = f"the API answered {trouble.failure.error.type}: it is asked again"
        await self._shared.store.write(partial(batches.trouble, batch_id=record.id, problem=problem))
        return self._look_again(record, now_ms + round(1000 * self._shared.config.batches.poll_s))

    def _look_again(self, record: BatchRecord, at_ms: int | None) -> int | None:
        if at_ms is None:
            self._look_ms.pop(record.id, None)
        else:
            self._look_ms[record.id] = at_ms
        return at_ms
