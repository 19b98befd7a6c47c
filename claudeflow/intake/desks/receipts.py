"""The desk of receipts: what keyed requests were answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from claudeflow.domain.job import JobId
from claudeflow.domain.receipt import Receipt


@dataclass(frozen=True, slots=True)
class Submitted:
    """A job is durable. `created` is False when its `dedupe_key` named an existing job."""

    id: JobId
    created: bool


ReceiptOf = Callable[[Sequence[Submitted]], Receipt]
"""Jobs that are about to be durable → the receipt that is kept in their commit; in the store's thread."""


class ReceiptDesk(Protocol):
    """Where receipts are found and kept."""

    async def find(self, caller: str, key: str) -> Receipt | None:
        """What the caller's request with this key was answered, if that is still known."""
        ...

    async def keep(self, receipt: Receipt) -> None:
        """Keep what a request was answered; returns when it is durable."""
        ...
