"""Budgets → their public JSON. docs/http.md lists every field."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from claudeflow.domain.budget import BudgetChange, BudgetReport, BudgetsReport
from claudeflow.intake.times import write_time
from claudeflow.intake.views.jobs import hold_to_json

_MOMENTS = {
    "limit_until_ms": "limit_until",
    "released_until_ms": "released_until",
    "begins_ms": "begins_at",
    "resets_ms": "resets_at",
    "since_ms": "since",
    "at_ms": "at",
    "until_ms": "until",
}
"""Times in epoch ms, and their names where they are RFC 3339."""


def budgets_to_json(found: BudgetsReport) -> dict[str, Any]:
    """Every budget, and the hold that the API's own spend cap set, if one is in force."""
    return {
        "budgets": [budget_to_json(report) for report in found.budgets],
        "api_says": hold_to_json(found.api_says) if found.api_says else None,
    }


def budget_to_json(report: BudgetReport) -> dict[str, Any]:
    """How a budget stands. Times are RFC 3339 in UTC, money is nano-dollars."""
    plain = _with_times(asdict(report))
    return {**plain, "thresholds": [_with_times(asdict(one)) for one in report.thresholds]}


def budget_change_to_json(change: BudgetChange) -> dict[str, Any]:
    """One entry of the record of what happened to budgets."""
    return {**_with_times(asdict(change)), "act": change.act.value}


def _with_times(plain: dict[str, Any]) -> dict[str, Any]:
    return {
        _MOMENTS.get(name, name): write_time(value) if name in _MOMENTS else value
        for name, value in plain.items()
    }
