"""Budgets in the store: what happened to them, what each hour cost, and jobs that fall back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

import orjson

from claudeflow.domain.budget import BudgetAct, BudgetChange
from claudeflow.domain.hold import HoldChange
from claudeflow.domain.job import Candidate
from claudeflow.store.holds import keep as keep_holds
from claudeflow.store.rows import Row, candidate_from
from claudeflow.store.statements import SQL


def note(raw: sqlite3.Connection, changes: Iterable[BudgetChange]) -> None:
    """Add to the record."""
    for change in changes:
        raw.execute(
            SQL.insert_budget_change,
            {
                "at_ms": change.at_ms,
                "budget": change.budget,
                "act": change.act,
                "reason": change.reason,
                "who": change.who,
                "limit_nanousd": change.limit_nanousd,
                "until_ms": change.until_ms,
                "threshold": change.threshold,
                "configured_nanousd": change.configured_nanousd,
            },
        )


def note_with_holds(
    raw: sqlite3.Connection, changes: Iterable[BudgetChange], holds: Iterable[HoldChange]
) -> None:
    """Add to the record, and to that of the holds that follow from it."""
    note(raw, changes)
    keep_holds(raw, changes=holds)


def in_force(raw: sqlite3.Connection, since_ms: int) -> list[BudgetChange]:
    """Every limit that was set, and all else since then, the oldest first."""
    return [_change_from(row) for row in raw.execute(SQL.budget_changes_in_force, {"since_ms": since_ms})]


def history(raw: sqlite3.Connection, limit: int) -> list[BudgetChange]:
    """What happened to budgets, the newest first."""
    return [_change_from(row) for row in raw.execute(SQL.budget_changes, {"limit": limit})]


@dataclass(frozen=True, slots=True)
class HourCost:
    """What a lane's workflow cost in one hour (epoch ms, UTC), in nano-dollars."""

    hour_ms: int
    lane: str
    workflow: str
    nanousd: int


def cost_by_hour(raw: sqlite3.Connection, since_ms: int) -> list[HourCost]:
    """What was settled, by the hour in which its call was opened."""
    return [HourCost(*row) for row in raw.execute(SQL.cost_by_hour, {"since_ms": since_ms})]


@dataclass(frozen=True, slots=True)
class Switched:
    """A waiting job that another model answers now. `is_due`: the scheduler knows of it."""

    candidate: Candidate
    from_model: str
    is_due: bool


def fall_back(raw: sqlite3.Connection, kind: str, name: str, reason: str, limit: int) -> list[Switched]:
    """Give jobs of a scope (`all`, `lane` or `workflow` and its name) to their cheaper model."""
    wanted = {"kind": kind, "name": name, "reason": reason, "limit": limit}
    return [_switched_from(row) for row in raw.execute(SQL.fall_back, wanted)]


def fall_forward(
    raw: sqlite3.Connection, lanes: Iterable[str], workflows: Iterable[str], limit: int
) -> list[Switched]:
    """Give jobs back to the model that was asked for, but for those of these lanes and workflows."""
    wanted = {
        "lanes": orjson.dumps(sorted(lanes)).decode(),
        "workflows": orjson.dumps(sorted(workflows)).decode(),
        "limit": limit,
    }
    return [_switched_from(row) for row in raw.execute(SQL.fall_forward, wanted)]


def _switched_from(row: Row) -> Switched:
    return Switched(candidate_from(row), row[17], row[16] == 1)


def _change_from(row: Row) -> BudgetChange:
    at_ms, budget, act, reason, who, limit_nanousd, until_ms, threshold, configured = row
    return BudgetChange(
        at_ms, budget, BudgetAct(act), reason, who, limit_nanousd, until_ms, threshold, configured
    )
