"""The desk of receipts, over the store."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from claudeflow.daemon.shared import Shared
from claudeflow.domain.receipt import Receipt
from claudeflow.intake.desks.receipts import ReceiptOf, Submitted
from claudeflow.store import receipts
from claudeflow.store.database import Work
from claudeflow.store.jobs import Accepted


class StoreReceiptDesk:
    """A `ReceiptDesk` whose receipts survive a restart."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    async def find(self, caller: str, key: str) -> Receipt | None:
        """What the caller's request with this key was answered, if that is still known."""
        now_ms = self._shared.clock.epoch_ms()
        return await self._shared.store.read(partial(receipts.find, caller=caller, key=key, now_ms=now_ms))

    async def keep(self, receipt: Receipt) -> None:
        """Keep what a request was answered; returns when it is durable."""
        now_ms = self._shared.clock.epoch_ms()
        await self._shared.store.write(partial(receipts.keep, receipt=receipt, now_ms=now_ms))

    def with_receipt(self, submit: Work[list[Accepted]], receipt_of: ReceiptOf) -> Work[list[Accepted]]:
        """`submit`, which keeps the jobs' receipt in the same transaction."""
        return partial(
            receipts.keep_with,
            submit=submit,
            receipt_of=lambda accepted: receipt_of(submitted(accepted)),
            now_ms=self._shared.clock.epoch_ms(),
        )


def submitted(accepted: Sequence[Accepted]) -> list[Submitted]:
    """Stored jobs as the front doors know them."""
    return [Submitted(found.id, found.created) for found in accepted]
