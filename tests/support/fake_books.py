"""A desk for the books in memory."""

from __future__ import annotations

from claudeflow.domain.ledger import SubmitterRow, UsageQuestion, UsageRow
from claudeflow.policy.money.price_check import Finding


class FakeBooksDesk:
    """Answers with what tests put into it, and keeps the questions."""

    def __init__(self) -> None:
        self.rows: list[UsageRow] = []
        self.submitters: list[SubmitterRow] = []
        self.days: tuple[int, int | None] | None = None
        self.findings: list[Finding] = []
        self.questions: list[UsageQuestion] = []

    async def usage(self, question: UsageQuestion) -> list[UsageRow]:
        self.questions.append(question)
        return self.rows

    async def by_submitter(self, since_ms: int, until_ms: int | None) -> list[SubmitterRow]:
        self.days = (since_ms, until_ms)
        return self.submitters

    async def check_prices(self) -> list[Finding]:
        return self.findings
