"""Creating: a batch that is ready is handed to the API, once.

Nothing makes a create idempotent (Message Batches). So the store says that one leaves before it does, and
when its answer is lost the API's own list must show whether the batch exists before it is created again.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from claudeflow.daemon.batches.finding import Finder
from claudeflow.daemon.batches.releasing import Releaser
from claudeflow.daemon.batches.sender import BatchPace, BatchSender
from claudeflow.daemon.batches.upload import Uploader
from claudeflow.daemon.calls.holds import HoldKeeper
from claudeflow.daemon.shared import Shared
from claudeflow.domain.attempt import Blocked, Interrupted, Rejected, Reply, Succeeded
from claudeflow.domain.batch import BatchTrouble, ProcessingStatus, RemoteBatch
from claudeflow.domain.batch_events import BatchCreated, BatchRefused
from claudeflow.domain.hold import EVERYTHING
from claudeflow.domain.job import Candidate, JobError, JobId
from claudeflow.policy.batching.orphans import NeverCreated
from claudeflow.policy.retries.holds import Stop
from claudeflow.store import batch_items, batches
from claudeflow.store.batches import BatchRecord

AT_ONCE = 200

HOLD_PATIENCE_MS = 600_000
"""When a batch has waited so long for a hold to end its jobs wait for another batch."""

LOOK_AT_HOLD_MS = 60_000
"""How soon a hold is looked at that has no end; whoever releases it wakes everybody."""

NO_ANSWER = JobError("internal_error", "whether the API has the batch is not known")

LOOKS_IN_THE_LIST = "it is looked for in the API's list of batches"
TRIES_AGAIN = "it is tried again"
WAITS_FOR_THE_HOLD = "it waits for the hold to end"
GOES_BY_MESSAGES = "its jobs go by Messages"


class Creator:
    """Hands batches to the API. One per daemon; one batch at a time."""

    def __init__(
        self, shared: Shared, holds: HoldKeeper, uploader: Uploader, releaser: Releaser, finder: Finder
    ) -> None:
        self._shared = shared
        self._holds = holds
        self._uploader = uploader
        self._releaser = releaser
        self._finder = finder
        self._answers: dict[int, RemoteBatch] = {}

    async def create(self, record: BatchRecord, sender: BatchSender, pace: BatchPace) -> int | None:
        """Try once; when to look at it again (epoch ms), None: at once. Raises StoreError."""
        shared = self._shared
        await self._take_out_held(record)
        first = await shared.store.read(partial(batch_items.candidates, batch_id=record.id))
        if not first:
            await self._releaser.release(record, batched=True, returned=False)
            return None
        probe = stand_in(first[0][1])
        stop = self._stop(probe)
        if stop is not None:
            return await self._wait_for_hold(record, stop)
        upload = await self._uploader.build(record)
        if not upload.requests:
            await self._releaser.release(record, batched=True, returned=False)
            return None
        await self._leaves(record, probe, len(upload.body))
        answer = await self._send(upload.body, probe, sender, pace)
        if isinstance(answer, RemoteBatch):
            self._answers[record.id] = answer
            try:
                await self._created(record, answer)
            finally:
                await self._holds.call_ended(probe, Reply(Succeeded("created")))
            return None
        return await self._refused(record, probe, answer)

    async def _send(
        self, body: bytes, probe: Candidate, sender: BatchSender, pace: BatchPace
    ) -> RemoteBatch | BatchTrouble:
        """Hand it over. Holds learn that the probe ended even if it was a fault of ours that ended it."""
        pace.called()
        try:
            answer = await sender.create(body)
        except Exception:
            await self._holds.call_ended(probe, Reply(Interrupted(NO_ANSWER), usage_known=False))
            raise
        pace.heard(answer)
        return answer

    async def look_for(self, record: BatchRecord, sender: BatchSender, pace: BatchPace) -> int | None:
        """Find out whether the API has a batch; when to look again (epoch ms). Raises StoreError."""
        answered = self._answers.get(record.id)
        if answered is not None:
            await self._created(record, answered)
            return None
        found = await self._finder.look(record, sender, pace)
        match found:
            case RemoteBatch():
                await self._created(record, found, found=True)
                return None
            case NeverCreated():
                await self._shared.store.write(partial(batches.ready, batch_id=record.id))
                return None
            case _:
                return found

    async def _wait_for_hold(self, record: BatchRecord, stop: Stop) -> int | None:
        """A batch does not wait for long: the money that is reserved for it is that of one day."""
        now_ms = self._shared.clock.epoch_ms()
        until_ms = record.made_ms + HOLD_PATIENCE_MS
        if now_ms >= until_ms:
            await self._releaser.release(record, batched=True, returned=False)
            return None
        return min(stop.until_ms or now_ms + LOOK_AT_HOLD_MS, until_ms)

    def _stop(self, probe: Candidate) -> Stop | None:
        shared = self._shared
        return shared.holds.stops(probe, shared.prices.pool_of(probe.model), shared.clock.epoch_ms())

    async def _take_out_held(self, record: BatchRecord) -> None:
        """What is held for itself waits in the queue, and the others go. Raises StoreError."""
        shared, after = self._shared, 0
        if not shared.holds.in_force(shared.clock.epoch_ms()):
            return
        while True:
            work = partial(batch_items.candidates, batch_id=record.id, after=after, limit=AT_ONCE)
            found = await shared.store.read(work)
            held = [call_id for call_id, candidate in found if self._is_held_apart(candidate)]
            if held:
                await self._releaser.take_back(record, held, batched=True, returned=False)
            if len(found) < AT_ONCE:
                return
            after = found[-1][0]

    def _is_held_apart(self, candidate: Candidate) -> bool:
        """Whether a hold is on less than everything, and covers the job."""
        shared = self._shared
        pool = shared.prices.pool_of(candidate.model)
        holds = shared.holds.covering(candidate, pool, shared.clock.epoch_ms())
        return any(hold.scope != EVERYTHING for hold in holds)

    async def _leaves(self, record: BatchRecord, probe: Candidate, size: int) -> None:
        """It is written before it leaves, and so is the probe that it may be. Raises StoreError."""
        shared = self._shared
        now_ms = shared.clock.epoch_ms()
        work = partial(batches.leaving, batch_id=record.id, size=size, now_ms=now_ms)
        await shared.store.write(work)
        shared.holds.gone(probe, shared.prices.pool_of(probe.model), now_ms)
        await self._holds.call_begins(probe)

    async def _created(self, record: BatchRecord, remote: RemoteBatch, *, found: bool = False) -> None:
        """The API has it. That it may have ended already the first look tells."""
        shared = self._shared
        remote = replace(remote, status=ProcessingStatus.IN_PROGRESS)
        known = await shared.store.write(partial(batches.told, batch_id=record.id, remote=remote))
        self._answers.pop(record.id, None)
        waited_s = max(0, shared.clock.epoch_ms() - record.made_ms) / 1000
        shared.emit(BatchCreated(known.id, remote.id, known.requests, known.bytes, waited_s, found))

    async def _refused(self, record: BatchRecord, probe: Candidate, trouble: BatchTrouble) -> int | None:
        """What a create that failed means. Raises StoreError."""
        failure = trouble.failure
        shown = await self._holds.call_ended(probe, Reply(failure, http_status=failure.error.status))
        if trouble.may_have_arrived:
            self._tell(record, failure.error, LOOKS_IN_THE_LIST)
            return self._finder.lost(record)
        if isinstance(shown, Rejected):
            await self._releaser.release(record, batched=False, returned=True)
            self._tell(record, failure.error, GOES_BY_MESSAGES)
            return None
        await self._shared.store.write(partial(batches.ready, batch_id=record.id))
        self._tell(record, failure.error, WAITS_FOR_THE_HOLD if isinstance(shown, Blocked) else TRIES_AGAIN)
        return None

    def _tell(self, record: BatchRecord, error: JobError, what_next: str) -> None:
        self._shared.emit(BatchRefused(record.id, record.requests, error.type, what_next))


def stand_in(candidate: Candidate) -> Candidate:
    """A batch as holds see it: its first job, under an id that no job has."""
    return replace(candidate, id=JobId(-(1 << 40) - candidate.id))
