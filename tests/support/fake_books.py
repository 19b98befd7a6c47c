"""A desk for the books in memory."""

from __future__ import annotations

from claudeflow.domain.ledger import UsageQuestion, UsageRow
from claudeflow.policy.money.price_check import Finding


class FakeBooksDesk:
    """Answers with what tests put into it, and keeps the questions."""

    def __init__(self) -> None:
        self.rows: list[UsageRow] = []
        self.findings: list[Finding] = []
        self.questions: list[UsageQuestion] = []

    async def usage(self, question: UsageQuestion) -> list[UsageRow]:
        self.questions.append(question)
        return self.rows

    async def check_prices(self) -> list[Finding]:
        return self.findings
