"""The desk for access: what the front doors ask about who calls, and what that caller may do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from claudeflow.domain.caller import Caller
from claudeflow.policy.access.grants import Standing
from claudeflow.policy.access.usage import Used


@dataclass(frozen=True, slots=True)
class SentLately:
    """What a caller has used, and how many jobs it may send at once now (None: as many as it likes)."""

    used: Used
    jobs_now: float | None


class AccessDesk(Protocol):
    """What a front door may ask for. Raises only `IntakeError`s (and `StoreError` when broken)."""

    def standing(self, caller: Caller) -> Standing:
        """Where a Unix user stands."""
        ...

    async def used(self, standing: Standing) -> SentLately:
        """What the caller has used of its caps."""
        ...
