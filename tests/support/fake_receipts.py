"""A desk of receipts in memory, for tests of the front doors."""

from __future__ import annotations

from claudeflow.domain.receipt import Receipt


class FakeReceiptDesk:
    """Keeps receipts in a dict."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], Receipt] = {}

    async def find(self, caller: str, key: str) -> Receipt | None:
        return self.kept.get((caller, key))

    async def keep(self, receipt: Receipt) -> None:
        self.kept[receipt.caller, receipt.key] = receipt
