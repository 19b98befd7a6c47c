"""A desk for reconciliation that tests fill by hand."""

from __future__ import annotations

from typing import Any

from claudeflow.domain.reconciliation import Cell, Compared, Drift, Reconciliation, Sums, UnknownCalls
from claudeflow.intake.desks.reconcile import NoAdminKey, NothingCompared, reconciliation_to_json

_NOVEMBER_MS = 1_793_491_200_000

FOUND = reconciliation_to_json(
    Reconciliation(
        since_ms=_NOVEMBER_MS,
        until_ms=_NOVEMBER_MS + 86_400_000,
        source="usage report",
        scope="the whole organisation",
        cells=(
            Compared(
                Cell(_NOVEMBER_MS, "claude-haiku-5-5", "standard"),
                ours=Sums(input_tokens=1_000, output_tokens=200, cost_nanousd=2_000_000),
                theirs=Sums(input_tokens=1_100, output_tokens=200),
                cost_is_compared=False,
                drifts=(Drift("input_tokens", 1_000, 1_000, 1_100),),
                unknown=UnknownCalls(1, 5_000_000, None),
                causes=("calls of another key",),
            ),
        ),
        notes=("costs are not compared",),
    ),
    compared_ms=_NOVEMBER_MS + 2 * 86_400_000,
)
"""A comparison that does not agree, as JSON."""


class FakeReconcileDesk:
    """Answers `found`, which stands for every comparison; None is a daemon without an admin key."""

    def __init__(self) -> None:
        self.found: dict[str, Any] | None = None
        self.asked: list[tuple[int | None, int | None]] = []

    async def compare(self, since_ms: int | None, until_ms: int | None) -> dict[str, Any]:
        self.asked.append((since_ms, until_ms))
        if self.found is None:
            raise NoAdminKey("there is no admin key")
        return self.found

    async def last(self) -> dict[str, Any]:
        if self.found is None:
            raise NothingCompared("nothing has been compared yet")
        return self.found
