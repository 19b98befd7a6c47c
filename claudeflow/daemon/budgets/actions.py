"""Budget actions: what the thresholds of budgets do, begun and ended as the books and people say.

What is in force follows from the record of what happened (`budget_changes`) and from the books: a
daemon that starts finds both in the store and goes on where its predecessor was.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Sequence
from functools import partial
from typing import Protocol

from claudeflow.daemon.budgets.acting import Acting, fallbacks_of, holds_of, paces_of
from claudeflow.daemon.budgets.fallbacks import Floor as SwitchingFloor
from claudeflow.daemon.budgets.fallbacks import Switching
from claudeflow.daemon.budgets.forecasts import Forecasts
from claudeflow.daemon.budgets.keeper import LOOK_AT_CALENDAR_EVERY_S
from claudeflow.daemon.budgets.record import BudgetRecord
from claudeflow.daemon.shared import Shared
from claudeflow.domain.budget import BudgetAct, BudgetChange
from claudeflow.domain.budget_events import BudgetChanged
from claudeflow.domain.errors import StoreError
from claudeflow.domain.events import CallEnded, ConfigReloaded, Event, OwnTrouble
from claudeflow.domain.hold import CLAUDEFLOW, Hold
from claudeflow.policy.money.budget import BudgetStatus
from claudeflow.policy.money.thresholds import Reading, ThresholdBook
from claudeflow.policy.retries.holds import Change
from claudeflow.store import budget_changes as store

LOOK_EVERY_S = 1.0
"""How often budgets are looked at while calls are under way, if no threshold is reached before."""

RECORD_MS = 62 * 86_400_000
"""So much of the record decides what is in force: a month and the one before."""


RECONFIGURED = "the configuration names another limit"


class Floor(SwitchingFloor, Protocol):
    """What actions need of whoever works on jobs."""

    def wake(self) -> None:
        """Something changed: look again at what may go."""
        ...


class BudgetActions:
    """One per daemon. Looks while calls are under way, and once a minute while something is in force."""

    def __init__(self, shared: Shared, floor: Floor) -> None:
        self._shared = shared
        self._floor = floor
        self._switching = Switching(shared, floor)
        self._record = BudgetRecord(shared)
        self._looking = asyncio.Lock()
        self._alarm: asyncio.TimerHandle | None = None
        self._must_sweep = True
        self._next: dict[str, int] = {}
        self._at_once = asyncio.Event()
        self.forecasts = Forecasts(shared)
        self.thresholds = ThresholdBook()
        self.needed = asyncio.Event()
        """Set while there may be something to do."""
        shared.budgets.on_leaving(self._call_leaves)

    async def begin(self) -> None:
        """Go on where the record ends. Raises StoreError."""
        shared = self._shared
        since_ms = shared.clock.epoch_ms() - RECORD_MS
        self.thresholds = ThresholdBook(await shared.store.read(partial(store.in_force, since_ms=since_ms)))
        acting = self.acting()
        shared.holds.keep_of_budgets(holds_of(acting))
        shared.budgets.paces.keep(paces_of(acting, shared.clock.epoch_ms()), shared.clock.monotonic())
        shared.fallbacks.keep(fallbacks_of(acting))
        self.needed.set()

    def apply(self, event: Event) -> None:
        """Look again after a call, and when the configuration has changed."""
        if isinstance(event, ConfigReloaded):
            self.needed.set()
            self._at_once.set()
        elif isinstance(event, CallEnded) and self._shared.config.budgets:
            self.needed.set()

    async def look_and_rest(self) -> None:
        """Look, then rest for a second, or until a threshold is reached."""
        await self.look()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_EVERY_S):
                await self._at_once.wait()

    async def look(self) -> None:
        """Begin and end what thresholds do: in memory at once, then in the record."""
        self._at_once.clear()
        self._act()
        async with self._looking:
            try:
                await self.forecasts.refresh()
                self._act()
                await self._record.write()
                await self._sweep()
            except StoreError as problem:
                self._shared.emit(OwnTrouble("acting on a budget", str(problem)))
        self._sleep_if_idle()

    async def change(self, change: BudgetChange) -> None:
        """Somebody sets a limit or releases a budget: keep it, and act on it at once. Raises StoreError."""
        await self._shared.store.write(partial(store.note, changes=[change]))
        if change.act is BudgetAct.SET:
            self._shared.budgets.overrides.note(change)
            self.thresholds.limit_set(change.budget)
        else:
            self.thresholds.release(change.budget, change.until_ms or 0)
        self._shared.emit(BudgetChanged(change))
        await self.look()

    async def let_go(self, hold: Hold, reason: str, who: str) -> None:
        """Release the budget that holds something. Raises StoreError."""
        owning = [one.status for one in self.acting() if one.owner == hold.set_by]
        for status in owning[:1]:
            budget = status.budget
            await self.change(
                BudgetChange(
                    self._shared.clock.epoch_ms(),
                    budget.name,
                    BudgetAct.RELEASED,
                    reason,
                    who,
                    budget.limit_nanousd,
                    status.resets_ms,
                )
            )

    def acting(self) -> list[Acting]:
        """The thresholds that act now."""
        now_ms, budgets = self._shared.clock.epoch_ms(), self._shared.config.budgets
        standing = {(found.budget, found.name): found for found in self.thresholds.in_force(now_ms)}
        return [
            Acting(status, threshold, found)
            for status in self._shared.budgets.status()
            for threshold in budgets[status.budget.name].thresholds
            if (found := standing.get((status.budget.name, threshold.name))) is not None
        ]

    def _call_leaves(self) -> None:
        """A call has reserved what it needs: its threshold acts now, not with the next look."""
        if not self._shared.config.budgets:
            return
        self.needed.set()
        if self._next and not self._at_once.is_set():
            statuses = self._shared.budgets.status()
            if any(_used(status) >= self._next.get(status.budget.name, math.inf) for status in statuses):
                self._at_once.set()

    def _act(self) -> None:
        """Hold, slow and fall back as the books say, and no more."""
        self._drop_outdated()
        if self._shared.budgets.reconfigure():
            self._floor.wake()
        now_ms = self._shared.clock.epoch_ms()
        readings = [self._reading(status) for status in self._shared.budgets.status()]
        self._record.turned(self.thresholds.judge(readings, now_ms), now_ms)
        amounts = {reading.budget: self.thresholds.next_amount(reading) for reading in readings}
        self._next = {budget: amount for budget, amount in amounts.items() if amount is not None}
        self._enforce(self.acting(), now_ms)

    def _drop_outdated(self) -> None:
        """A limit that was set gives way to another one of the configuration, and does not come back."""
        now_ms, overrides = self._shared.clock.epoch_ms(), self._shared.budgets.overrides
        for name, settings in self._shared.config.budgets.items():
            limit = settings.limit_nanousd
            if overrides.outdated(name, limit):
                change = BudgetChange(
                    now_ms, name, BudgetAct.SET, RECONFIGURED, CLAUDEFLOW, limit, configured_nanousd=limit
                )
                overrides.note(change)
                self.thresholds.limit_set(name)
                self._record.changed(change)

    def _reading(self, status: BudgetStatus) -> Reading:
        expected = self.forecasts.of(status)
        return Reading(
            status.budget.name,
            str(status.budget.scope),
            status.budget.limit_nanousd,
            _used(status),
            None if expected is None else expected.nanousd,
            status.resets_ms,
            self._shared.config.budgets[status.budget.name].thresholds,
        )

    def _enforce(self, acting: Sequence[Acting], now_ms: int) -> None:
        shared = self._shared
        held = shared.holds.keep_of_budgets(holds_of(acting))
        self._record.held(held, now_ms)
        paced = shared.budgets.paces.keep(paces_of(acting, now_ms), shared.clock.monotonic())
        switched = shared.fallbacks.keep(fallbacks_of(acting))
        self._must_sweep |= switched
        if held != Change() or paced or switched:
            self._floor.wake()

    async def _sweep(self) -> None:
        """Give waiting jobs the model that answers them now. Raises StoreError."""
        if self._must_sweep or self._may_fall_back():
            self._must_sweep = True
            await self._switching.sweep()
            self._must_sweep = False

    def _may_fall_back(self) -> bool:
        """Whether jobs that come back from a call may be for the wrong model by now."""
        budgets = self._shared.config.budgets.values()
        return any(one.action == "fallback" for budget in budgets for one in budget.thresholds)

    def _sleep_if_idle(self) -> None:
        """Until a call leaves or comes back only the calendar changes anything."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        statuses, now_ms = self._shared.budgets.status(), self._shared.clock.epoch_ms()
        if any(status.in_flight for status in statuses) or self._record.is_behind or self._must_sweep:
            self.needed.set()
            return
        self.needed.clear()
        if statuses and (self.acting() or self._shared.budgets.overrides.any_until(now_ms)):
            turn_s = (min(one.resets_ms for one in statuses) - now_ms) / 1000
            delay_s = min(LOOK_AT_CALENDAR_EVERY_S, max(0.0, turn_s) + 0.001)
            self._alarm = asyncio.get_running_loop().call_later(delay_s, self.needed.set)


def _used(status: BudgetStatus) -> int:
    """What is spent, with what calls under way are expected to cost."""
    return status.spent_nanousd + status.unknown_nanousd + status.expected_nanousd
