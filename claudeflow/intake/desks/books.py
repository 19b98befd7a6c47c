"""The desk for the books: what the front doors may ask about usage and prices."""

from __future__ import annotations

from typing import Protocol

from claudeflow.domain.ledger import SubmitterRow, UsageQuestion, UsageRow
from claudeflow.policy.money.price_check import Finding


class BooksDesk(Protocol):
    """What a front door may ask for. Raises only `IntakeError`s (and `StoreError` when broken)."""

    async def usage(self, question: UsageQuestion) -> list[UsageRow]:
        """Sums of usage, one row for each group that has any."""
        ...

    async def by_submitter(self, since_ms: int, until_ms: int | None) -> list[SubmitterRow]:
        """What the jobs of each submitter cost on the days from one until another, the dearest first."""
        ...

    async def check_prices(self) -> list[Finding]:
        """What is to be said about the prices of the models in use."""
        ...
