"""Filling: jobs that wait for a batch are claimed bit by bit, each with its open call and reservation.

Until the batch is ready nothing of it has left, and a daemon that dies leaves jobs that wait as before.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from claudeflow.daemon.batches.money import BatchMoney
from claudeflow.daemon.batches.outlook import Outlooks
from claudeflow.daemon.batches.warmth import plan_of
from claudeflow.daemon.shared import Shared
from claudeflow.domain.job import Candidate
from claudeflow.policy.lanes.parking import Block, Level
from claudeflow.policy.money.accounts import Reservation
from claudeflow.policy.money.pricing import UnknownModel
from claudeflow.store import batch_items, batches
from claudeflow.store.batch_items import BatchGroup
from claudeflow.store.batches import BatchRecord
from claudeflow.store.claims import Claim

AT_ONCE = 200
"""Jobs that are claimed in one transaction: more would hold up everybody else's."""

AROUND_BYTES = 200
"""What stands around a request in an upload."""

MOST_REFUSED = 200
"""So many jobs of a group are looked at that are too dear for what is left of a budget: others may fit."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a batch is to carry: jobs of these groups, with marks; of each no more than `each`."""

    groups: Sequence[BatchGroup]
    requests: int
    marks: frozenset[str]
    each: int
    warms: bool = False

    @property
    def bases(self) -> list[str]:
        """The prefixes that its requests mark."""
        return sorted({group.base for group in self.groups if group.base in self.marks and group.base})


class Filler:
    """Fills batches. One per daemon. `outlooks` is told why jobs stay behind."""

    def __init__(self, shared: Shared, money: BatchMoney, outlooks: Outlooks) -> None:
        self._shared = shared
        self._money = money
        self._outlooks = outlooks

    async def fill(self, load: Load) -> BatchRecord | None:
        """A batch with as many of the jobs as there is room and money for; None: with none.

        Raises StoreError.
        """
        shared = self._shared
        begin = partial(
            batches.begin,
            name=f"cf{secrets.token_hex(8)}",
            now_ms=shared.clock.epoch_ms(),
            warms=load.bases if load.warms else (),
            marks=load.bases,
        )
        batch_id = await shared.store.write(begin)
        filling = _Filling(batch_id, load.requests, shared.config.batches.max_bytes, load.marks)
        for group in load.groups:
            if filling.is_full:
                break
            if not self._outlooks.has(group):
                await self._fill_from(group, filling, load.each)
        await self._claim(filling)
        return await shared.store.write(partial(batches.ready, batch_id=batch_id))

    async def _fill_from(self, group: BatchGroup, filling: _Filling, most: int) -> None:
        """Choose from one group. What fills a page is claimed, so that the next page shows other jobs."""
        refused = taken = 0
        while not filling.is_full and taken < most and refused < MOST_REFUSED:
            limit = min(AT_ONCE, filling.requests_left, most - taken)
            work = partial(batch_items.head, group=group, limit=limit, skip=refused)
            head = await self._shared.store.read(work)
            for candidate in head:
                block = self._take(candidate, filling)
                taken, refused = taken + (block is None), refused + (block is not None)
                if filling.is_full or (block is not None and block.level is not Level.JOB):
                    return
            if len(head) < limit:
                return
            await self._claim(filling)
        if len(filling.wishes) >= AT_ONCE:
            await self._claim(filling)

    def _take(self, candidate: Candidate, filling: _Filling) -> Block | None:
        """Reserve for a job as far as there is room; why it stays behind, if it does."""
        if not filling.has_room_for(candidate):
            return None
        shared, now_ms = self._shared, filling.moment_ms(self._shared.clock.epoch_ms())
        try:
            found = shared.budgets.slowed(candidate) or shared.budgets.reserve(
                candidate, plan_of(candidate.prefix, filling.marks), now_ms, batch=True
            )
        except UnknownModel as problem:
            found = Block(Level.MODEL, "price", str(problem))
        if isinstance(found, Block):
            self._outlooks.block(candidate, found)
            return found
        pool = shared.prices.pool_of(candidate.model)
        filling.take(candidate, found, Claim(candidate, pool, found.bound_nanousd))
        return None

    async def _claim(self, filling: _Filling) -> None:
        """Write what was chosen. Whoever was changed meanwhile is left out."""
        wishes, reserved = filling.wishes, filling.reserved
        filling.wishes, filling.reserved = [], []
        if not wishes:
            return
        budgets = self._shared.budgets
        try:
            # Opened when they were reserved, even if a day turned meanwhile: there they count.
            now_ms = reserved[0].at_ms
            work = partial(batch_items.fill, batch_id=filling.batch_id, claims=wishes, now_ms=now_ms)
            calls = await self._shared.store.write(work)
        except BaseException:
            for one in reserved:
                budgets.settle(one, 0)
            raise
        pairs = list(zip(reserved, calls, strict=True))
        for one, call in pairs:
            if call is None:
                budgets.settle(one, 0)
        self._money.keep(filling.batch_id, [one for one, call in pairs if call is not None])


@dataclass(slots=True)
class _Filling:
    """How far a batch is filled."""

    batch_id: int
    requests_left: int
    bytes_left: int
    marks: frozenset[str]
    wishes: list[Claim] = field(default_factory=list)
    reserved: list[Reservation] = field(default_factory=list)
    is_empty: bool = True
    is_over: bool = False

    @property
    def is_full(self) -> bool:
        return self.is_over or self.requests_left <= 0

    def moment_ms(self, now_ms: int) -> int:
        """All that is claimed at once is opened at one moment."""
        return self.reserved[0].at_ms if self.reserved else now_ms

    def has_room_for(self, candidate: Candidate) -> bool:
        """Whether it fits. The first always does: else the largest jobs would wait for ever."""
        fits = self.requests_left > 0 and candidate.input_bytes + AROUND_BYTES <= self.bytes_left
        self.is_over |= not (fits or self.is_empty)
        return fits or self.is_empty

    def take(self, candidate: Candidate, reservation: Reservation, claim: Claim) -> None:
        self.wishes.append(claim)
        self.reserved.append(reservation)
        self.requests_left -= 1
        self.bytes_left -= candidate.input_bytes + AROUND_BYTES
        self.is_empty = False
