"""A desk for mailboxes in memory. Tests put reports into `rows`."""

from __future__ import annotations

from claudeflow.domain.errors import MailboxNotFound
from claudeflow.intake.desks.mailboxes import MailboxReport


class FakeMailboxDesk:
    """Answers with the rows that it holds."""

    def __init__(self) -> None:
        self.rows: list[MailboxReport] = []

    async def report(self) -> tuple[MailboxReport, ...]:
        return tuple(self.rows)

    async def one(self, name: str) -> MailboxReport:
        for row in self.rows:
            if row.name == name:
                return row
        raise MailboxNotFound(f"no mailbox is named {name}")
