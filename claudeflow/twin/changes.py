"""Limits that change while a twin runs: another tier, other numbers, or a factor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from claudeflow.twin.entries import (
    KNOWN_MODEL,
    POOL,
    SECONDS,
    Check,
    check_keys,
    check_values,
    number,
    tables,
    whole,
)
from claudeflow.twin.models import FAST_SUFFIX, find_model
from claudeflow.twin.tiers import TIERS, Limits, WorkspaceLimits, limits_of

ORGANIZATION = "organization"
WORKSPACE = "workspace"
_SCOPES = (ORGANIZATION, WORKSPACE)
_LIMIT: Check = (whole(1), "a whole number above 0")
_NUMBERS = ("rpm", "itpm", "otpm", "tpm")
_CHECKS: dict[str, Check] = {
    "at_s": SECONDS,
    "model": KNOWN_MODEL,
    "pool": POOL,
    "scope": (lambda value: value in _SCOPES, " or ".join(_SCOPES)),
    "tier": (lambda value: value in TIERS, ", ".join(TIERS)),
    "rpm": _LIMIT,
    "itpm": _LIMIT,
    "otpm": _LIMIT,
    "tpm": _LIMIT,
    "factor": (lambda value: number(0)(value) and value > 0, "a number above 0"),
}


@dataclass(frozen=True, slots=True)
class Change:
    """One change, `at_s` seconds from the twin's start, of one pool or of all.

    Either a `tier`, or a `factor` on the limits then in force, or new numbers for some of the axes. With
    `scope` workspace its limits change, of which `tpm` bounds input and output together.
    """

    at_s: float = 0.0
    model: str | None = None
    pool: str | None = None
    scope: str = ORGANIZATION
    tier: str | None = None
    factor: float | None = None
    rpm: int | None = None
    itpm: int | None = None
    otpm: int | None = None
    tpm: int | None = None

    def touches(self, pool: str) -> bool:
        """Whether it changes this pool; fast mode's pool goes with the pool it belongs to."""
        base = pool.removesuffix(FAST_SUFFIX)
        if self.model is not None:
            model = find_model(self.model)
            return model is not None and model.pool == base
        return self.pool is None or self.pool == base

    def organization(self, limits: Limits, pool: str) -> Limits:
        """The organisation's limits after it."""
        if self.tier is not None:
            return limits_of(self.tier, pool)
        if self.factor is not None:
            return Limits(*(_scaled(limit, self.factor) for limit in (limits.rpm, limits.itpm, limits.otpm)))
        return Limits(self.rpm or limits.rpm, self.itpm or limits.itpm, self.otpm or limits.otpm)

    def workspace(self, limits: WorkspaceLimits) -> WorkspaceLimits:
        """The workspace's limits after it."""
        old = (limits.rpm, limits.itpm, limits.otpm, limits.tpm)
        if self.factor is not None:
            factor = self.factor
            return WorkspaceLimits(*(limit and _scaled(limit, factor) for limit in old))
        new = (self.rpm, self.itpm, self.otpm, self.tpm)
        return WorkspaceLimits(*(one or other for one, other in zip(new, old, strict=True)))


def parse_changes(entries: Any) -> tuple[Change, ...]:
    """Check `[[change]]` entries. Raises ValueError naming the entry and what is allowed."""
    found = []
    for where, entry in tables("change", entries):
        check_keys(where, entry, _CHECKS)
        check_values(where, entry, _CHECKS)
        if "model" in entry and "pool" in entry:
            raise ValueError(f"{where}: give model or pool, not both")
        numbers = any(name in entry for name in _NUMBERS)
        if ("tier" in entry) + ("factor" in entry) + numbers != 1:
            raise ValueError(f"{where}: give one of tier, factor, or numbers ({', '.join(_NUMBERS)})")
        if entry.get("scope") == WORKSPACE and "tier" in entry:
            raise ValueError(f"{where}: a workspace has no tier")
        if entry.get("scope") != WORKSPACE and "tpm" in entry:
            raise ValueError(f'{where}: tpm is a limit of a workspace; give scope = "workspace"')
        found.append(Change(**entry))
    return tuple(found)


def _scaled(limit: int, factor: float) -> int:
    return max(1, round(limit * factor))
