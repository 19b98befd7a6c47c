"""The record of budget actions: what thresholds began and ended, kept until it is written, then told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from claudeflow.daemon.shared import Shared
from claudeflow.domain.budget import BudgetAct, BudgetChange
from claudeflow.domain.budget_events import BudgetChanged, BudgetEased, BudgetThreshold
from claudeflow.domain.events import Event, HoldReleased, HoldSet
from claudeflow.domain.hold import CLAUDEFLOW, Hold, HoldAction, HoldChange
from claudeflow.policy.money.settings import ThresholdSettings
from claudeflow.policy.money.thresholds import Reading, Turn
from claudeflow.policy.retries.holds import Change
from claudeflow.store import budget_changes as store

NO_LONGER = "what the budget did is over"


@dataclass(frozen=True, slots=True)
class _Entry:
    change: BudgetChange | HoldChange
    event: Event | None


class BudgetRecord:
    """What is in force already and not yet in the store. Nothing of it is lost while the store is broken."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._entries: list[_Entry] = []

    @property
    def is_behind(self) -> bool:
        """Whether anything is still to be written."""
        return bool(self._entries)

    def changed(self, change: BudgetChange) -> None:
        """A budget has another limit."""
        self._entries.append(_Entry(change, BudgetChanged(change)))

    def turned(self, turns: Iterable[Turn], now_ms: int) -> None:
        """Thresholds began or ended to act."""
        self._entries += [_Entry(_recorded(turn, now_ms), _told(turn)) for turn in turns]

    def held(self, change: Change, now_ms: int) -> None:
        """Holds of budgets ended and began."""
        for hold in change.ended:
            released = HoldReleased(hold.scope, NO_LONGER, hold.cause)
            self._entries.append(_Entry(_audited(hold, HoldAction.RELEASED, NO_LONGER, now_ms), released))
        for hold in change.begun:
            self._entries.append(_Entry(_audited(hold, HoldAction.SET, hold.reason, now_ms), HoldSet(hold)))

    async def write(self) -> None:
        """Write what is new, then tell it. Raises StoreError: it is kept for the next time."""
        if not self._entries:
            return
        entries = tuple(self._entries)
        changes = [entry.change for entry in entries]
        budgets = [change for change in changes if isinstance(change, BudgetChange)]
        holds = [change for change in changes if isinstance(change, HoldChange)]
        await self._shared.store.write(partial(store.note_with_holds, changes=budgets, holds=holds))
        del self._entries[: len(entries)]
        for entry in entries:
            if entry.event is not None:
                self._shared.emit(entry.event)


def _told(turn: Turn) -> Event | None:
    if turn.reason:
        return BudgetEased(turn.standing.budget, turn.standing.name, turn.reason)
    if turn.is_new and turn.reading is not None and turn.threshold is not None:
        return _reached(turn.reading, turn.threshold)
    return None


def _reached(reading: Reading, threshold: ThresholdSettings) -> BudgetThreshold:
    return BudgetThreshold(
        budget=reading.budget,
        scope=reading.scope,
        action=threshold.action,
        at_share=threshold.at,
        forecast=threshold.forecast,
        share=reading.share(threshold) or 0.0,
        spent_nanousd=reading.spent_nanousd,
        forecast_nanousd=reading.forecast_nanousd,
        limit_nanousd=reading.limit_nanousd,
        until_ms=reading.resets_ms,
    )


def _recorded(turn: Turn, now_ms: int) -> BudgetChange:
    standing = turn.standing
    act = BudgetAct.ENDED if turn.reason else BudgetAct.REACHED
    reason = turn.reason or "the threshold was reached"
    limit, resets_ms = standing.limit_nanousd, standing.resets_ms
    return BudgetChange(now_ms, standing.budget, act, reason, CLAUDEFLOW, limit, resets_ms, standing.name)


def _audited(hold: Hold, action: HoldAction, reason: str, now_ms: int) -> HoldChange:
    return HoldChange(now_ms, action, hold.scope, hold.cause, reason, CLAUDEFLOW, hold.until_ms)
