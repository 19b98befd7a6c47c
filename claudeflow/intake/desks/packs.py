"""The desk for packs: what the front doors may ask about them, and change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class PackReport:
    """Packs of a prompt version: what they have done, what canaries have shown, and how it stands now.

    Of `items` that packs have held, `answered` have their answer from them, and `returned` went singly, by
    reason. `unknown` entries belonged to no item. `disagreement` is the share of newer canaries that
    disagreed; `why` says why it is packed now, or is not.
    """

    prompt: str
    version: str
    packs: int
    items: int
    answered: int
    returned: Mapping[str, int]
    unknown: int
    saved_requests: int
    canaries: int
    disagreements: int
    disagreement: float
    is_packed: bool
    why: str


class PacksDesk(Protocol):
    """What a front door may ask for. Raises only `IntakeError`s (and `StoreError` when broken)."""

    async def report(self) -> tuple[PackReport, ...]:
        """Prompts that are packed or were, by name; of each the version in force comes first."""
        ...

    async def reset(self, prompt: str) -> tuple[PackReport, ...]:
        """Forget what canaries have shown of a prompt, and how it stands then. Raises PackNotFound."""
        ...
