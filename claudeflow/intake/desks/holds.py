"""The desk for holds: what the front doors may ask about what may not go out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from claudeflow.domain.errors import IntakeError
from claudeflow.domain.hold import Hold, HoldCause, HoldChange, Scope


class InvalidHold(IntakeError):
    """A hold that cannot be set, or a scope that is none."""

    code = "invalid_hold"
    http_status = 422


class HoldNotFound(IntakeError):
    """Nothing holds this scope."""

    code = "hold_not_found"
    http_status = 404


@dataclass(frozen=True, slots=True)
class NewHold:
    """A hold as a person wants it. `who` is the login name; without `until_ms` it lasts until released."""

    scope: Scope
    reason: str
    who: str
    until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class HoldInForce:
    """A hold, and how many jobs could go now if it were not for this one and others."""

    hold: Hold
    waiting_jobs: int


@dataclass(frozen=True, slots=True)
class Released:
    """What was released, and what still holds the same scope."""

    released: tuple[Hold, ...]
    remaining: tuple[Hold, ...]


class HoldDesk(Protocol):
    """What a front door may ask for. Raises only `IntakeError`s (and `StoreError` when broken)."""

    async def in_force(self) -> list[HoldInForce]:
        """Every hold, the oldest first."""
        ...

    async def set(self, wanted: NewHold) -> tuple[Hold, bool]:
        """Hold a scope, or change the hold that a person set there: the hold, and whether it is new.

        Raises InvalidHold, JobNotFound, Conflict.
        """
        ...

    async def release(self, scope: Scope, cause: HoldCause | None, reason: str, who: str) -> Released:
        """End the hold on a scope: the one set by hand if there is one, else the other.

        With `cause`, the one with that cause. Raises HoldNotFound.
        """
        ...

    async def history(self, limit: int) -> list[HoldChange]:
        """Who held and released what, the newest first."""
        ...
