"""Money in batches: what their requests have reserved, a sum for each batch, lane, workflow and day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from claudeflow.daemon.shared import Shared
from claudeflow.policy.money.accounts import Reservation
from claudeflow.policy.money.budget import DAY_MS
from claudeflow.policy.money.scopes import CallScope
from claudeflow.store.batch_items import BatchJob
from claudeflow.store.batches import OpenSpend


@dataclass(frozen=True, slots=True)
class _Key:
    batch_id: int
    call: CallScope
    day_ms: int


class BatchMoney:
    """The reservations of all batches that are under way."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._reserved: dict[_Key, Reservation] = {}

    def take_up(self, spend: Iterable[OpenSpend]) -> None:
        """What an earlier process has sent."""
        for one in spend:
            call = CallScope(one.lane, one.workflow)
            reservation = Reservation(
                call, one.reserved_nanousd, one.reserved_nanousd, one.opened_ms, one.requests
            )
            self._shared.budgets.book.take_up(reservation)
            self._reserved[_Key(one.batch_id, call, one.day_ms)] = reservation

    def keep(self, batch_id: int, reservations: Sequence[Reservation]) -> None:
        """These are for requests of a batch."""
        by_key: defaultdict[_Key, list[Reservation]] = defaultdict(list)
        for one in reservations:
            by_key[_Key(batch_id, one.call, one.at_ms - one.at_ms % DAY_MS)].append(one)
        for key, found in by_key.items():
            known = self._reserved.get(key)
            self._reserved[key] = self._shared.budgets.book.join([*found, *([known] if known else [])])

    def settle_job(self, batch_id: int, found: BatchJob, cost_nanousd: int | None) -> None:
        """A request is in the books: at its cost, or as unknown (None). Nothing is left of one given up."""
        if found.unknown:
            return
        job = found.job
        key = _Key(batch_id, CallScope(job.lane, job.workflow), job.opened_ms - job.opened_ms % DAY_MS)
        reservation = self._reserved.get(key)
        if reservation is None:
            return
        rest = self._shared.budgets.settle_part(reservation, found.reserved_nanousd, cost_nanousd)
        if rest.calls:
            self._reserved[key] = rest
        else:
            del self._reserved[key]

    def drop(self, batch_id: int) -> None:
        """Nothing of a batch is under way any more: whatever it has reserved comes back."""
        for key in [key for key in self._reserved if key.batch_id == batch_id]:
            self._shared.budgets.settle(self._reserved.pop(key), 0)
