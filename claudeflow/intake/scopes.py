"""Scopes of holds as people write them: `all`, or `lane:bulk` and its like."""

from __future__ import annotations

from claudeflow.domain.hold import EVERYTHING, HoldCause, Scope, ScopeKind
from claudeflow.intake.catalog import Catalog
from claudeflow.intake.desks.holds import InvalidHold
from claudeflow.intake.mistakes import did_you_mean, listed, show

_FORMS = "write all, pool:NAME, model:NAME, lane:NAME, workflow:NAME or job:ID"
_LONGEST_NAME = 200
_LARGEST_ID = 2**63 - 1
_LONGEST_REASON = 500


def read_scope(text: str) -> Scope:
    """The scope that a text names, whether or not there is such a thing. Raises InvalidHold."""
    kind, colon, name = text.partition(":")
    kinds = [known.value for known in ScopeKind]
    if kind not in kinds:
        raise InvalidHold(f"{show(text)} is no scope: {_FORMS}.{did_you_mean(kind, kinds)}")
    if kind == ScopeKind.ALL:
        if colon:
            raise InvalidHold(f"{show(text)} is no scope: all stands alone")
        return EVERYTHING
    if not name or len(name) > _LONGEST_NAME or not name.isprintable() or " " in name:
        raise InvalidHold(f"{show(text)} is no scope: a name is missing or cannot be one; {_FORMS}")
    if kind == ScopeKind.JOB:
        name = _job_id(name)
    return Scope(ScopeKind(kind), name)


def check_known(scope: Scope, catalog: Catalog) -> None:
    """Refuse a lane, model or pool that does not exist, naming those that do. Raises InvalidHold.

    Workflows are whatever their producers call themselves; jobs are the store's business.
    """
    known = {
        ScopeKind.LANE: catalog.lanes,
        ScopeKind.MODEL: catalog.pools.keys(),
        ScopeKind.POOL: set(catalog.pools.values()),
    }.get(scope.kind)
    if known is not None and scope.name not in known:
        hint = did_you_mean(scope.name, known)
        raise InvalidHold(
            f"there is no {scope.kind.value} {show(scope.name)}; known are {listed(known)}.{hint}"
        )


def read_reason(text: str) -> str:
    """Why somebody holds or releases something: one line. Raises InvalidHold."""
    reason = " ".join(text.split())
    if not reason or len(reason) > _LONGEST_REASON or not reason.isprintable():
        raise InvalidHold(f"reason must be 1 to {_LONGEST_REASON} printable characters")
    return reason


def read_cause(text: str) -> HoldCause:
    """The cause of a hold. Raises InvalidHold."""
    causes = [cause.value for cause in HoldCause]
    if text not in causes:
        raise InvalidHold(
            f"cause found {show(text)}; causes are {listed(causes)}.{did_you_mean(text, causes)}"
        )
    return HoldCause(text)


def _job_id(name: str) -> str:
    number = int(name) if name.isascii() and name.isdigit() and len(name) <= 19 else 0
    if not 1 <= number <= _LARGEST_ID:
        raise InvalidHold(f"job:{name} names no job: ids are whole numbers from 1")
    return str(number)
