"""Reading: the results of a batch that has ended become answers, calls and costs in the books, each once.

They are streamed and booked in small groups, so that jobs have their answers as they come. Whatever breaks
off is read again from its beginning; what is booked already is passed over. When they break off twice at the
same place, a line there cannot be used: from then on such lines are left out. Requests of which no result
comes are asked for again, less and less often, and given up after a day.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial

from claudeflow.daemon.batches.booking import Booking
from claudeflow.daemon.batches.sender import BatchPace, BatchSender
from claudeflow.daemon.batches.warmth import Warmth
from claudeflow.daemon.calls.requests import Requests
from claudeflow.daemon.faults import fault_of_ours
from claudeflow.daemon.shared import Shared
from claudeflow.domain.attempt import Interrupted, Rejected, Reply
from claudeflow.domain.batch import BatchState, BatchTrouble, ItemKind, ItemResult, ResultsBroken
from claudeflow.domain.batch_events import BatchBooked, BatchLost
from claudeflow.domain.errors import PromptError, StoreError
from claudeflow.domain.job import JobError
from claudeflow.policy.batching.patience import is_gone, never_come
from claudeflow.store import batch_items, batches
from claudeflow.store.batch_ends import BatchEnd
from claudeflow.store.batch_items import BatchJob
from claudeflow.store.batches import BatchRecord

AT_ONCE = 100
"""Results that are booked in one transaction."""

READ_AGAIN_MS = 60_000
"""How soon results that were not all there are read again, at first."""

READ_SELDOM_MS = 3_600_000
"""How seldom at last."""

MALFORMED = "malformed_response"

NO_RESULT = JobError("batch_no_result", "its batch has ended and named no result for it")


@dataclass(slots=True)
class _Readings:
    """How often the results of a batch were read in vain, and where they broke off last.

    `told_ms`: since then they are to be had, and lack some requests.
    """

    told_ms: int
    times: int = 0
    broke_at: int | None = None
    pass_over: bool = False
    missing_since_ms: int | None = None

    def broke(self, trouble: BatchTrouble, place: int, now_ms: int) -> None:
        """They broke off after so many. Only a line that cannot be used says anything of those behind it."""
        if trouble.failure.error.type == MALFORMED:
            self.pass_over |= self.broke_at == place
            self.broke_at = place
        elif place == 0:
            self.told_ms = now_ms

    def wait_ms(self) -> int:
        self.times += 1
        return int(min(READ_SELDOM_MS, READ_AGAIN_MS << min(self.times - 1, 10)))


class Reader:
    """Books what batches have brought. One per daemon."""

    def __init__(self, shared: Shared, requests: Requests, booking: Booking, warmth: Warmth) -> None:
        self._shared = shared
        self._requests = requests
        self._booking = booking
        self._warmth = warmth
        self._readings: dict[int, _Readings] = {}
        self._stopping = False

    def stop(self) -> None:
        """Read no further than to the next group."""
        self._stopping = True

    async def read(self, record: BatchRecord, sender: BatchSender, pace: BatchPace) -> int | None:
        """Read and book; when to look again (epoch ms), None: never. Raises StoreError."""
        now_ms = self._shared.clock.epoch_ms()
        readings = self._readings.setdefault(record.id, _Readings(now_ms))
        pace.called()
        trouble = await self._stream(record, sender, readings)
        if self._stopping:
            return None
        pace.heard(trouble)
        return await self._finish(record, readings, trouble)

    async def _stream(
        self, record: BatchRecord, sender: BatchSender, readings: _Readings
    ) -> BatchTrouble | None:
        """Book what there is; what broke it off, if anything did."""
        assert record.api_id is not None
        group: list[ItemResult] = []
        place, trouble = 0, None
        try:
            async with aclosing(sender.results(record.api_id, pass_over=readings.pass_over)) as results:
                async for item in results:
                    place += 1
                    group.append(item)
                    if len(group) >= AT_ONCE:
                        await self._book(record, group, sender)
                        group = []
                        if self._stopping:
                            return None
        except ResultsBroken as problem:
            trouble = problem.trouble
            readings.broke(trouble, place, self._shared.clock.epoch_ms())
        await self._book(record, group, sender)
        return trouble

    async def _finish(
        self, record: BatchRecord, readings: _Readings, trouble: BatchTrouble | None
    ) -> int | None:
        """Is everything booked? What has no result is asked for again, for a while."""
        shared, now_ms = self._shared, self._shared.clock.epoch_ms()
        work = partial(batch_items.open_calls, batch_id=record.id, after=0, limit=1)
        if not await shared.store.read(work):
            await self._end(record, BatchState.DONE, None)
            return None
        why = _why_give_up(record, readings, trouble, now_ms)
        if why is not None:
            await self.give_up(record, why)
            return None
        problem = "some of its results have not come yet: they are asked for again"
        if trouble is not None:
            problem = f"its results broke off ({trouble.failure.error.type}): they are read again"
        await shared.store.write(partial(batches.trouble, batch_id=record.id, problem=problem))
        return now_ms + readings.wait_ms()

    async def give_up(self, record: BatchRecord, why: str) -> None:
        """What it has not answered goes back to the queue, and may have been billed. Raises StoreError."""
        jobs = 0
        while True:
            work = partial(batch_items.open_calls, batch_id=record.id, after=0, limit=AT_ONCE)
            calls = await self._shared.store.read(work)
            if not calls:
                break
            known = await self._unbooked(record, calls)
            reply = Reply(Interrupted(NO_RESULT), usage_known=False)
            ends = [
                await self._booking.end(record, found, reply, ItemKind.EXPIRED) for found in known.values()
            ]
            jobs += sum(found.waits for found in known.values())
            await self._booking.book(record, ends)
        self._shared.emit(BatchLost(record.id, jobs, why))
        await self._end(record, BatchState.LOST, why)

    async def _end(self, record: BatchRecord, state: BatchState, problem: str | None) -> None:
        shared, now_ms = self._shared, self._shared.clock.epoch_ms()
        work = partial(batches.end, batch_id=record.id, state=state, problem=problem, now_ms=now_ms)
        await shared.store.write(work)
        self._readings.pop(record.id, None)
        uses = await shared.store.read(partial(batches.cache_use, batch_id=record.id))
        self._warmth.learn(record.id, uses)
        if state is BatchState.DONE:
            spend = await shared.store.read(partial(batches.spend_of, batch_id=record.id))
            name, cost, unbatched = record.api_id or "", spend.cost_nanousd, spend.unbatched_nanousd
            shared.emit(BatchBooked(record.id, name, record.requests, cost, unbatched))

    async def _book(self, record: BatchRecord, group: Sequence[ItemResult], sender: BatchSender) -> None:
        by_call = {call: item for item in group if (call := record.call_of(item.custom_id)) is not None}
        if not by_call:
            return
        known = await self._unbooked(record, list(by_call))
        ends = []
        for call, found in known.items():
            ends.append(await self._end_of(record, found, by_call[call], sender))
        if ends:
            await self._booking.book(record, ends)

    async def _end_of(
        self, record: BatchRecord, found: BatchJob, item: ItemResult, sender: BatchSender
    ) -> BatchEnd:
        """What a result means. One at which we stumble must not keep those behind it from their jobs."""
        try:
            reply = await self._reply(record, found, item, sender)
            return await self._booking.end(record, found, reply, item.kind)
        except StoreError:
            raise
        except Exception as problem:  # noqa: BLE001 - see above
            fault = fault_of_ours(self._shared, "reading a result of a batch", problem)
            reply = Reply(Rejected(fault), usage_known=False)
            return await self._booking.end(record, found, reply, item.kind)

    async def _unbooked(self, record: BatchRecord, calls: list[int]) -> dict[int, BatchJob]:
        work = partial(batch_items.unbooked, batch_id=record.id, calls=calls)
        return await self._shared.store.read(work)

    async def _reply(
        self, record: BatchRecord, found: BatchJob, item: ItemResult, sender: BatchSender
    ) -> Reply:
        keeps_1h = bool(record.marks) or "1h:" in (found.job.prefix or "")
        try:
            schema = await self._requests.schema(found.job)
        except PromptError as problem:
            reply = sender.reply_of(item, schema=None, caches_for_1h=keeps_1h)
            return replace(reply, outcome=Rejected(JobError("prompt_error", str(problem))), message=None)
        return sender.reply_of(item, schema=schema, caches_for_1h=keeps_1h)


def _why_give_up(
    record: BatchRecord, readings: _Readings, trouble: BatchTrouble | None, now_ms: int
) -> str | None:
    if trouble is not None and trouble.is_missing:
        readings.missing_since_ms = readings.missing_since_ms or now_ms
        is_over = is_gone(readings.missing_since_ms, record.expires_ms, now_ms)
        return "the API has its results no more" if is_over else None
    readings.missing_since_ms = None
    is_over = never_come(readings.told_ms, now_ms)
    return "the results of some of its requests never came" if is_over else None
