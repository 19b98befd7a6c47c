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
    BUDGET = "budget"
    MANUAL = "manual"


WAY_OUT = {
    HoldCause.AUTHENTICATION: "put a valid API key in place; a new key in a file is taken up by itself",
    HoldCause.CREDIT: "top up the prepaid credit; the hold ends when a probe succeeds",
    HoldCause.SPEND_CAP: "wait for the month to turn, or raise the spend limit in the Console and release it",
    HoldCause.BILLING: "settle the billing problem in the Console; the hold ends when a probe succeeds",
    HoldCause.ORGANIZATION: "appeal in the Console; the hold ends when a probe succeeds",
    HoldCause.PERMISSION: "grant this key access to the model; the hold ends when a probe succeeds",
    HoldCause.MODEL_NOT_FOUND: "check the model's name and its retirement date; cancel or resubmit its jobs",
    HoldCause.BUDGET: "raise the budget (claudeflow budget set), release it, or wait for its period to turn",
    HoldCause.MANUAL: "release it",
}


WAY_OUT_OF_LIMIT = "raise the limit (claudeflow budget set), or wait for its period to turn"


class ScopeKind(StrEnum):
    """What a hold applies to."""

    ALL = "all"
    POOL = "pool"
    MODEL = "model"
    LANE = "lane"
    WORKFLOW = "workflow"
    JOB = "job"


@dataclass(frozen=True, slots=True)
class Scope:
    """What a hold applies to; `name` is empty for everything, and only then."""

    kind: ScopeKind
    name: str = ""

    def __str__(self) -> str:
        return self.kind.value if not self.name else f"{self.kind.value}:{self.name}"


EVERYTHING = Scope(ScopeKind.ALL)


def scope_from(text: str) -> Scope:
    """The reverse of `str(scope)`. Raises ValueError."""
    kind, colon, name = text.partition(":")
    if bool(name) != bool(colon) or (kind == ScopeKind.ALL) != (not name):
        raise ValueError(f"no scope: {text!r}")
    return Scope(ScopeKind(kind), name)


@dataclass(frozen=True, slots=True)
class Hold:
    """A scope that may not go out, why, and since when.

    Set by hand, it ends when it is released, or at `until_ms`; set by a budget, when that is raised or
    released, or at `until_ms`. Any other ends when a probe goes well: the next may go at `probe_at_ms`;
    `probed_ms` are the last few that went. A scope has at most one that a person set, one by each
    budget (`set_by`), and one other. `is_limit`: a budget's limit itself holds, which nobody can release.
    """

    scope: Scope
    cause: HoldCause
    reason: str
    since_ms: int
    probe_at_ms: int | None = None
    until_ms: int | None = None
    set_by: str | None = None
    probed_ms: tuple[int, ...] = ()
    is_limit: bool = False

    @property
    def by_hand(self) -> bool:
        """Whether a person set it: then only a person or its time ends it."""
        return self.cause is HoldCause.MANUAL

    @property
    def is_probed(self) -> bool:
        """Whether calls test if its cause is over."""
        return self.cause not in (HoldCause.MANUAL, HoldCause.BUDGET)

    @property
    def way_out(self) -> str:
        """What a person can do about it."""
        return WAY_OUT_OF_LIMIT if self.is_limit else WAY_OUT[self.cause]


class HoldAction(StrEnum):
    """What was done to a hold."""

    SET = "set"
    CHANGED = "changed"
    RELEASED = "released"


CLAUDEFLOW = "claudeflow"
"""Who set or released a hold when no person did."""


@dataclass(frozen=True, slots=True)
class HoldChange:
    """One entry of the record of who held and released what, when and why."""

    at_ms: int
    action: HoldAction
    scope: Scope
    cause: HoldCause
    reason: str
    who: str
    until_ms: int | None = None
