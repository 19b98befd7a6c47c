"""A desk for reconciliation that tests fill by hand."""

from __future__ import annotations

from typing import Any

from claudeflow.intake.desks.reconcile import NoAdminKey, NothingCompared


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
