"""Thresholds: which of a budget's actions are in force. Each is told once per period.

A threshold is reached when its share of the limit is, and it ends when the limit is raised above
that, when the period turns, or when the share falls well below (a forecast may). What a person
released stays released until the end of the period, or until the limit is set anew.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from claudeflow.domain.budget import BudgetAct, BudgetChange
from claudeflow.policy.money.settings import ThresholdSettings

LETS_GO_BELOW = 0.9
"""Share of `at` below which a reached threshold is over: what it does must not begin and end by turns."""

A_NEW_PERIOD = "its period is over"
RAISED = "the limit was raised"
FELL = "the share fell well below"
NOT_CONFIGURED = "it is not configured any more"


@dataclass(frozen=True, slots=True)
class Reading:
    """How a budget stands: `spent_nanousd` with what calls under way are expected to cost.

    `forecast_nanousd`: None when nothing can be said.
    """

    budget: str
    scope: str
    limit_nanousd: int
    spent_nanousd: int
    forecast_nanousd: int | None
    resets_ms: int
    thresholds: tuple[ThresholdSettings, ...]

    def share(self, threshold: ThresholdSettings) -> float | None:
        """The share of the limit that a threshold looks at; None when it is not known."""
        amount = self.forecast_nanousd if threshold.forecast else self.spent_nanousd
        return None if amount is None else amount / self.limit_nanousd


@dataclass(frozen=True, slots=True)
class Standing:
    """A threshold that was reached in the period that ends at `resets_ms`.

    Not `in_force`: the share has fallen since; reached again, it acts without being told again.
    """

    budget: str
    name: str
    limit_nanousd: int
    since_ms: int
    resets_ms: int
    in_force: bool = True


@dataclass(frozen=True, slots=True)
class Turn:
    """A threshold begins to act or, with a `reason`, ends. `is_new`: to be told; else it was before."""

    reading: Reading | None
    threshold: ThresholdSettings | None
    standing: Standing
    reason: str = ""
    is_new: bool = True


class ThresholdBook:
    """Which thresholds were reached and which budgets were released. Times are epoch ms."""

    def __init__(self, changes: Iterable[BudgetChange] = ()) -> None:
        """`changes`: the record of the last two months at least, the oldest first."""
        self._standing: dict[tuple[str, str], Standing] = {}
        self._released: dict[str, int] = {}
        for change in changes:
            self._replay(change)

    def judge(self, readings: Iterable[Reading], now_ms: int) -> list[Turn]:
        """What begins and what ends now."""
        turns: list[Turn] = []
        known = set()
        for reading in readings:
            for threshold in reading.thresholds:
                key = (reading.budget, threshold.name)
                known.add(key)
                turns += self._judge_one(key, reading, threshold, now_ms)
        for key in self._standing.keys() - known:
            standing = self._standing.pop(key)
            turns += [Turn(None, None, standing, NOT_CONFIGURED)] if standing.in_force else []
        return turns

    def next_amount(self, reading: Reading) -> int | None:
        """What a budget has to spend until the next of its thresholds is reached; None when none is left."""
        amounts = [
            math.ceil(threshold.at * reading.limit_nanousd)
            for threshold in reading.thresholds
            if not threshold.forecast and self.standing(reading.budget, threshold) is None
        ]
        return min(amounts, default=None)

    def in_force(self, now_ms: int) -> list[Standing]:
        """What acts now: reached, and not released."""
        reached = [found for found in self._standing.values() if found.in_force and found.resets_ms > now_ms]
        acting = [found for found in reached if self.released_until(found.budget, now_ms) is None]
        return sorted(acting, key=lambda found: (found.budget, found.name))

    def standing(self, budget: str, threshold: ThresholdSettings) -> Standing | None:
        """How a threshold stands, if it was reached and is not over."""
        found = self._standing.get((budget, threshold.name))
        return found if found is not None and found.in_force else None

    def release(self, budget: str, until_ms: int) -> None:
        """Let go what a budget's thresholds do, now and until then."""
        self._released[budget] = until_ms

    def limit_set(self, budget: str) -> None:
        """The limit was set anew: a release counts no more."""
        self._released.pop(budget, None)

    def released_until(self, budget: str, now_ms: int) -> int | None:
        """Until when a budget's thresholds are released; None when they are not."""
        until_ms = self._released.get(budget, 0)
        return until_ms if until_ms > now_ms else None

    def _judge_one(
        self, key: tuple[str, str], reading: Reading, threshold: ThresholdSettings, now_ms: int
    ) -> list[Turn]:
        standing, share = self._standing.get(key), reading.share(threshold)
        turns: list[Turn] = []
        reason = "" if standing is None else _why_over(standing, reading, share, threshold.at)
        if standing is not None and reason:
            self._end(key, standing, reason)
            turns = [Turn(reading, threshold, standing, reason)] if standing.in_force else []
        standing = self._standing.get(key)
        if share is None or share < threshold.at or (standing is not None and standing.in_force):
            return turns
        begun = Standing(reading.budget, key[1], reading.limit_nanousd, now_ms, reading.resets_ms)
        self._standing[key] = begun
        return [*turns, Turn(reading, threshold, begun, is_new=standing is None)]

    def _end(self, key: tuple[str, str], standing: Standing, reason: str) -> None:
        if reason == FELL:
            self._standing[key] = replace(standing, in_force=False)
        else:
            del self._standing[key]

    def _replay(self, change: BudgetChange) -> None:
        key = (change.budget, change.threshold or "")
        match change.act:
            case BudgetAct.SET:
                self.limit_set(change.budget)
            case BudgetAct.RELEASED:
                self.release(change.budget, change.until_ms or 0)
            case BudgetAct.REACHED:
                resets_ms = change.until_ms or 0
                self._standing[key] = Standing(*key, change.limit_nanousd, change.at_ms, resets_ms)
            case BudgetAct.ENDED if key in self._standing:
                self._end(key, self._standing[key], change.reason)


def _why_over(standing: Standing, reading: Reading, share: float | None, at: float) -> str:
    """Why a reached threshold is over; empty when it is not."""
    if standing.resets_ms != reading.resets_ms:
        return A_NEW_PERIOD
    if share is None or share >= at:
        return ""
    if reading.limit_nanousd > standing.limit_nanousd:
        return RAISED
    return FELL if standing.in_force and share < at * LETS_GO_BELOW else ""
