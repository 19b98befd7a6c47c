"""The desk for access: what the front doors ask about who calls, and what that caller may do."""

from __future__ import annotations

from typing import Protocol

from claudeflow.domain.caller import Caller
from claudeflow.policy.access.grants import Standing


class AccessDesk(Protocol):
    """What a front door may ask for. Raises only `IntakeError`s (and `StoreError` when broken)."""

    def standing(self, caller: Caller) -> Standing:
        """Where a Unix user stands."""
        ...
