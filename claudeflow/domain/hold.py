"""Holds: named reasons why some scope may not go out now."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class HoldCause(StrEnum):
    """Why something is held."""

    AUTHENTICATION = "authentication"
    CREDIT = "credit"
    SPEND_CAP = "spend_cap"
    BILLING = "billing"
    ORGANIZATION = "organization_on_hold"
    PERMISSION = "permission"
    MODEL_NOT_FOUND = "model_not_found"
    MANUAL = "manual"


WAY_OUT = {
    HoldCause.AUTHENTICATION: "put a valid API key in place and restart; the hold ends when a probe succeeds",
    HoldCause.CREDIT: "top up the prepaid credit; the hold ends when a probe succeeds",
    HoldCause.SPEND_CAP: "wait for the month to turn or raise the spend limit in the Console",
    HoldCause.BILLING: "settle the billing problem in the Console; the hold ends when a probe succeeds",
    HoldCause.ORGANIZATION: "appeal in the Console; the hold ends when a probe succeeds",
    HoldCause.PERMISSION: "grant this key access to the model; the hold ends when a probe succeeds",
    HoldCause.MODEL_NOT_FOUND: "check the model's name and its retirement date; cancel or resubmit its jobs",
    HoldCause.MANUAL: "release it",
}


class ScopeKind(StrEnum):
    """What a hold applies to."""

    ALL = "all"
    MODEL = "model"


@dataclass(frozen=True, slots=True)
class Scope:
    """What a hold applies to; `name` is empty for everything."""

    kind: ScopeKind
    name: str = ""

    def __str__(self) -> str:
        return self.kind.value if not self.name else f"{self.kind.value}:{self.name}"


EVERYTHING = Scope(ScopeKind.ALL)


@dataclass(frozen=True, slots=True)
class Hold:
    """A scope that may not go out, why, since when, and when the next probe may test the cause."""

    scope: Scope
    cause: HoldCause
    reason: str
    since_ms: int
    probe_at_ms: int | None = None

    @property
    def way_out(self) -> str:
        """What a person can do about it."""
        return WAY_OUT[self.cause]
