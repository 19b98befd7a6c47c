"""The desk for access: what the front doors ask about who calls, and what that caller may do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from claudeflow.domain.caller import Caller
from claudeflow.domain.door_events import CallerRefused
from claudeflow.domain.errors import IntakeError
from claudeflow.domain.token import Token
from claudeflow.policy.access.grants import Standing
from claudeflow.policy.access.settings import GrantSettings
from claudeflow.policy.access.usage import Used


@dataclass(frozen=True, slots=True)
class SentLately:
    """What a caller has used, and how many jobs it may send at once now (None: as many as it likes)."""

    used: Used
    jobs_now: float | None


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that somebody wants to have made."""

    name: str
    allows: GrantSettings
    expires_ms: int | None
    created_by: str


class InvalidToken(IntakeError):
    """A name, role, end or another field of a token is wrong."""

    code = "invalid_token"
    http_status = 422


class TokenNotFound(IntakeError):
    """No token in force has this name."""

    code = "token_not_found"
    http_status = 404


class AccessDesk(Protocol):
    """What a front door may ask for. Raises only `IntakeError`s (and `StoreError` when broken)."""

    def standing(self, caller: Caller) -> Standing:
        """Where a Unix user stands."""
        ...

    async def standing_of_token(self, text: str) -> Standing:
        """Where the holder of a token stands. Raises Unauthenticated."""
        ...

    async def tokens(self) -> list[Token]:
        """Every token ever made, the newest first."""
        ...

    async def create_token(self, wanted: NewToken) -> tuple[Token, str]:
        """A new token, and its text, which nobody can be told again. Raises Conflict."""
        ...

    async def revoke_token(self, name: str, who: str) -> Token:
        """The token of this name is good for nothing any more. Raises TokenNotFound."""
        ...

    def refused(self, refusal: CallerRefused) -> None:
        """Tell of a caller that was turned away; of many at once in few words."""
        ...

    async def used(self, standing: Standing) -> SentLately:
        """What the caller has used of its caps."""
        ...
