"""Overrides: limits of budgets that were set at run time, beside those of the configuration."""

from __future__ import annotations

from collections.abc import Iterable

from claudeflow.domain.budget import BudgetAct, BudgetChange


class Overrides:
    """The limits that people set, the last one first. Times are epoch ms, money is nano-dollars.

    One that was set until the end of its period gives way to the one before it. A limit that was
    changed in the configuration since is newer: it wins.
    """

    def __init__(self, changes: Iterable[BudgetChange] = ()) -> None:
        """`changes`: the record, the oldest first."""
        self._sets: dict[str, list[BudgetChange]] = {}
        for change in changes:
            self.note(change)

    def note(self, change: BudgetChange) -> None:
        """Something happened to a budget."""
        if change.act is BudgetAct.SET:
            for_good = [one for one in self._sets.get(change.budget, []) if change.until_ms is not None]
            self._sets[change.budget] = [*for_good, change]

    def any_until(self, now_ms: int) -> bool:
        """Whether any limit is yet to end by itself."""
        return any((change.until_ms or 0) > now_ms for sets in self._sets.values() for change in sets)

    def outdated(self, budget: str, configured_nanousd: int) -> bool:
        """Whether a limit was set, and the configuration has named another one since."""
        return any(
            change.configured_nanousd not in (configured_nanousd, change.limit_nanousd)
            for change in self._sets.get(budget, [])
        )

    def of(self, budget: str, configured_nanousd: int, now_ms: int) -> BudgetChange | None:
        """The limit that was set and is in force; None: that of the configuration is."""
        for change in reversed(self._sets.get(budget, [])):
            if change.configured_nanousd == configured_nanousd and not _is_over(change, now_ms):
                return change
        return None


def _is_over(change: BudgetChange, now_ms: int) -> bool:
    return change.until_ms is not None and change.until_ms <= now_ms
