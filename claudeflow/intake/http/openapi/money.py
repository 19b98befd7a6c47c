"""Budgets, usage, prices, and the comparison of the books with the provider's reports."""

from __future__ import annotations

from claudeflow.domain.budget import BudgetChange, BudgetReport
from claudeflow.domain.ledger import SUMS, Dimension, SubmitterRow
from claudeflow.domain.reconciliation import Drift, Sums, UnknownCalls
from claudeflow.intake.desks.budgets import BudgetNotFound, InvalidBudget, NothingToRelease
from claudeflow.intake.desks.reconcile import NoAdminKey, NoReport, NothingCompared
from claudeflow.intake.http.openapi.operation import JSON, Operation, Parameter, ok
from claudeflow.intake.http.openapi.shapes import (
    COUNT,
    FLAG,
    MOMENT,
    NUMBER,
    TEXT,
    WHOLE,
    Components,
    Schema,
    answer_of,
    array_of,
    nullable,
    reference,
    sent,
)
from claudeflow.intake.http.usage_query import FILTERS
from claudeflow.policy.money.price_check import Finding

BUDGET = Parameter("name", TEXT, where="path")
CHANGES_LISTED = Parameter("limit", {"type": "integer", "minimum": 1, "maximum": 1_000, "default": 50})

_SINCE = Parameter("since", TEXT, "`7d`, `24h`, `today`, `month`, `all`, a month, a day or a moment.")
_UNTIL = Parameter("until", TEXT, "As `since`.")
_LIMIT: Schema = {"type": "number", "exclusiveMinimum": 0}
_BUDGET_MOMENTS = {
    "limit_until_ms": "limit_until",
    "released_until_ms": "released_until",
    "begins_ms": "begins_at",
    "resets_ms": "resets_at",
}


def money_operations(known: Components) -> tuple[Operation, ...]:
    """All that is served about money."""
    return (*_budget_operations(known), *_book_operations(known))


def _budget_operations(known: Components) -> tuple[Operation, ...]:
    budget = known.row(BudgetReport, _BUDGET_MOMENTS)
    threshold = known.schemas["ThresholdReport"]["properties"]
    del threshold["since_ms"]
    known.add("ThresholdReport", answer_of(**threshold, since=nullable(MOMENT)))
    change = known.row(BudgetChange, {"at_ms": "at", "until_ms": "until"})
    held = (BudgetNotFound, InvalidBudget)
    return (
        Operation(
            "list_budgets",
            "GET",
            "/v1/budgets",
            "How every budget stands",
            ok(answer_of(budgets=array_of(budget), api_says=nullable(reference("Hold")))),
        ),
        Operation(
            "list_budget_changes",
            "GET",
            "/v1/budgets/history",
            "What happened to budgets, the newest first",
            ok(answer_of(changes=array_of(change))),
            (CHANGES_LISTED,),
        ),
        Operation(
            "set_budget",
            "PUT",
            "/v1/budgets/{name}",
            "Set the limit of a budget",
            ok(budget),
            (BUDGET,),
            body={JSON: sent(["limit_usd"], limit_usd=_LIMIT, reason=nullable(TEXT), until_reset=FLAG)},
            problems=held,
        ),
        Operation(
            "release_budget",
            "POST",
            "/v1/budgets/{name}/release",
            "Let go what a budget's thresholds do, until its period ends",
            ok(budget),
            (BUDGET,),
            body={JSON: sent(["reason"], reason=TEXT)},
            problems=(*held, NothingToRelease),
        ),
    )


def _book_operations(known: Components) -> tuple[Operation, ...]:
    comparison = known.add("Reconciliation", _reconciliation(known))
    filters = tuple(Parameter(dimension, TEXT) for dimension in FILTERS)
    by = Parameter("by", TEXT, f"Dimensions, with commas between: {', '.join(Dimension)}.")
    finding = known.row(Finding)
    return (
        Operation(
            "sum_usage",
            "GET",
            "/v1/usage",
            "Sums of what was used and what it cost",
            ok(known.add("Usage", _usage())),
            (by, _SINCE, _UNTIL, *filters),
        ),
        Operation(
            "sum_usage_of_submitters",
            "GET",
            "/v1/usage/submitters",
            "What the jobs of each submitter cost, by whole days (UTC)",
            ok(answer_of(since=MOMENT, until=nullable(MOMENT), rows=array_of(known.row(SubmitterRow)))),
            (_SINCE, _UNTIL),
        ),
        Operation(
            "check_prices",
            "GET",
            "/v1/prices/check",
            "What is to be said about the prices of the models in use",
            ok(answer_of(findings=array_of(finding))),
        ),
        Operation(
            "show_reconciliation",
            "GET",
            "/v1/reconcile",
            "The last comparison",
            ok(comparison),
            problems=(NothingCompared,),
        ),
        Operation(
            "reconcile",
            "POST",
            "/v1/reconcile",
            "Compare the books with the provider's reports now",
            ok(comparison),
            (_SINCE, _UNTIL),
            problems=(NoAdminKey, NoReport, NothingCompared),
        ),
    )


def _usage() -> Schema:
    sums = dict.fromkeys(SUMS, COUNT) | {
        "cached_share": nullable(NUMBER),
        "saved_share": nullable(NUMBER),
    }
    row = answer_of(**sums)
    keyed = row | {"properties": row["properties"] | {str(one): nullable(TEXT) for one in Dimension}}
    return answer_of(
        since=nullable(MOMENT), until=nullable(MOMENT), by=array_of(TEXT), rows=array_of(keyed), total=row
    )


def _reconciliation(known: Components) -> Schema:
    theirs = dict.fromkeys(Sums.__dataclass_fields__, WHOLE) | {"cost_nanousd": nullable(WHOLE)}
    cell = answer_of(
        day={"type": "string", "format": "date"},
        model=TEXT,
        service_tier=TEXT,
        agrees=FLAG,
        ours=known.row(Sums),
        theirs=answer_of(**theirs),
        drifts=array_of(known.row(Drift)),
        unknown=nullable(known.row(UnknownCalls)),
        causes=array_of(TEXT),
    )
    return answer_of(
        compared_at=MOMENT,
        since=MOMENT,
        until=MOMENT,
        agrees=FLAG,
        source=TEXT,
        scope=TEXT,
        notes=array_of(TEXT),
        cells=array_of(cell),
    )
