"""A packs desk in memory: the second implementation of the `PacksDesk` protocol."""

from __future__ import annotations

from dataclasses import replace

from claudeflow.domain.errors import PackNotFound
from claudeflow.intake.desks.packs import PackReport

PACKED = PackReport(
    prompt="ticket-triage",
    version="bf8cea7093851f2d",
    packs=100,
    items=1_000,
    answered=990,
    returned={"missing": 3, "mixed_up": 7},
    unknown=1,
    saved_requests=890,
    canaries=40,
    disagreements=1,
    disagreement=0.02513,
    is_packed=True,
    why="with a warm cache a single call costs $0.000547 an item, packed by 10 $0.000255: packed",
)

UNPACKED = replace(
    PACKED,
    prompt="vendor-answers",
    version="0011223344556677",
    returned={},
    disagreements=9,
    disagreement=0.31,
    is_packed=False,
    why="9 of 40 canaries disagreed: change the prompt, or `claudeflow packs reset vendor-answers`",
)


class FakePacksDesk:
    """Tells of two prompts; tests may change them."""

    def __init__(self) -> None:
        self.rows: tuple[PackReport, ...] = (PACKED, UNPACKED)

    async def report(self) -> tuple[PackReport, ...]:
        return self.rows

    async def reset(self, prompt: str) -> tuple[PackReport, ...]:
        found = [row for row in self.rows if row.prompt == prompt]
        if not found:
            raise PackNotFound(f"prompt {prompt} is not packed and never was")
        fresh = [
            replace(
                row, canaries=0, disagreements=0, disagreement=0.0, is_packed=True, why="it may be packed"
            )
            for row in found
        ]
        self.rows = tuple(row for row in self.rows if row.prompt != prompt) + tuple(fresh)
        return tuple(fresh)
