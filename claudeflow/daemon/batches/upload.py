"""Upload: the body that creates a batch, with each request as it would go by Messages but for the stream."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial

import orjson

from claudeflow.daemon.batches.booking import Booking
from claudeflow.daemon.batches.releasing import Releaser
from claudeflow.daemon.batches.warmth import plan_of
from claudeflow.daemon.calls.requests import Requests
from claudeflow.daemon.faults import fault_of_ours
from claudeflow.daemon.shared import Shared
from claudeflow.domain.attempt import Rejected, Reply
from claudeflow.domain.batch import ItemKind
from claudeflow.domain.errors import PromptError, StoreError
from claudeflow.domain.job import JobError
from claudeflow.policy.batching.routing import refused_in_batches
from claudeflow.store import batch_items
from claudeflow.store.batch_items import BatchItem
from claudeflow.store.batches import BatchRecord

AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Upload:
    """A batch as it is sent, with so many requests."""

    body: bytes
    requests: int


class Uploader:
    """Builds uploads. What cannot go leaves its batch, and nothing else."""

    def __init__(self, shared: Shared, requests: Requests, booking: Booking, releaser: Releaser) -> None:
        self._shared = shared
        self._requests = requests
        self._booking = booking
        self._releaser = releaser

    async def build(self, record: BatchRecord) -> Upload:
        """The upload of a batch that is ready. Raises StoreError."""
        marks, body, requests = frozenset(record.marks), bytearray(b'{"requests":['), 0
        async with aclosing(self._items(record.id)) as items:
            async for item in items:
                line = await self._line(record, item, marks)
                if line is not None:
                    body += (b"," if requests else b"") + line
                    requests += 1
        body += b"]}"
        return Upload(bytes(body), requests)

    async def _line(self, record: BatchRecord, item: BatchItem, marks: frozenset[str]) -> bytes | None:
        """A request as it stands in the upload; None when it does not go."""
        if not item.waits:
            await self._releaser.drop(record, [item.call_id])
            return None
        try:
            request = await self._requests.build(item, plan_of(item.prefix, marks), streamed=False)
        except PromptError as problem:
            await self._fail(record, item, JobError("prompt_error", str(problem)))
            return None
        except StoreError:
            raise
        except Exception as problem:  # noqa: BLE001 - the others of its batch must go
            await self._fail(record, item, fault_of_ours(self._shared, "building a batch", problem))
            return None
        refused = refused_in_batches(request.body)
        if refused is not None:
            why = f"the API takes no request with `{refused}` in a batch"
            await self._releaser.leave(record, [item.call_id], why)
            return None
        params = {name: value for name, value in request.body.items() if name != "stream"}
        return orjson.dumps({"custom_id": record.custom_id(item.call_id), "params": params})

    async def _fail(self, record: BatchRecord, item: BatchItem, error: JobError) -> None:
        """A job that cannot be rendered any more ends; its request never leaves."""
        work = partial(batch_items.unbooked, batch_id=record.id, calls=[item.call_id])
        found = await self._shared.store.read(work)
        reply = Reply(Rejected(error), sent=False)
        ends = [await self._booking.end(record, one, reply, ItemKind.ERRORED) for one in found.values()]
        await self._booking.book(record, ends)

    async def _items(self, batch_id: int) -> AsyncGenerator[BatchItem, None]:
        """Its requests, a few at a time."""
        after = 0
        while True:
            work = partial(batch_items.items, batch_id=batch_id, after=after, limit=AT_ONCE)
            items = await self._shared.store.read(work)
            for item in items:
                yield item
            if len(items) < AT_ONCE:
                return
            after = items[-1].call_id
