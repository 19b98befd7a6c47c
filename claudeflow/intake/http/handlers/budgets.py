"""The requests about budgets, one method each."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from claudeflow.domain.errors import InvalidJob
from claudeflow.intake.desks.budgets import BudgetDesk, InvalidBudget, NewLimit
from claudeflow.intake.desks.holds import InvalidHold
from claudeflow.intake.http.bodies import check_json, read_body
from claudeflow.intake.http.guard import who
from claudeflow.intake.http.queries import Query
from claudeflow.intake.http.responses import json_response
from claudeflow.intake.json_text import read_object
from claudeflow.intake.mistakes import Mistakes, did_you_mean, listed, show
from claudeflow.intake.scopes import read_reason
from claudeflow.intake.views.budgets import budget_change_to_json, budget_to_json, budgets_to_json
from claudeflow.policy.money.settings import MOST_USD, is_limit, nanousd_of

MOST_BODY_BYTES = 64 * 1024
MOST_CHANGES = 1_000
SOME_CHANGES = 50
SET_BY_HAND = "set by hand"


class BudgetHandlers:
    """Thin: each method reads its parameters, asks the desk, and writes the answer."""

    def __init__(self, desk: BudgetDesk) -> None:
        self._desk = desk

    async def show(self, request: Request) -> Response:
        """GET /v1/budgets: how every budget stands."""
        Query(request)
        return json_response(budgets_to_json(await self._desk.show()))

    async def history(self, request: Request) -> Response:
        """GET /v1/budgets/history: what happened to budgets, the newest first."""
        limit = Query(request, frozenset({"limit"})).integer("limit", 1, MOST_CHANGES) or SOME_CHANGES
        changes = await self._desk.history(limit)
        return json_response({"changes": [budget_change_to_json(change) for change in changes]})

    async def set(self, request: Request) -> Response:
        """PUT /v1/budgets/{name}: set its limit."""
        fields = await _fields_of(request, ("limit_usd", "reason", "until_reset"))
        until_reset = fields.get("until_reset", False)
        if not isinstance(until_reset, bool):
            raise InvalidBudget(f"until_reset must be true or false, found {show(until_reset)}")
        wanted = NewLimit(
            request.path_params["name"],
            _limit_nanousd(fields.get("limit_usd")),
            SET_BY_HAND if fields.get("reason") is None else _reason(fields["reason"]),
            who(request),
            until_reset,
        )
        return json_response(budget_to_json(await self._desk.set(wanted)))

    async def release(self, request: Request) -> Response:
        """POST /v1/budgets/{name}/release: let go what its thresholds do until its period ends."""
        fields = await _fields_of(request, ("reason",))
        reason = _reason(fields.get("reason"))
        released = await self._desk.release(request.path_params["name"], reason, who(request))
        return json_response(budget_to_json(released))


async def _fields_of(request: Request, known: tuple[str, ...]) -> dict[str, Any]:
    """The JSON object in the body. Raises InvalidBudget, UnsupportedMediaType."""
    Query(request)
    check_json(request)
    mistakes = Mistakes()
    try:
        fields = read_object(await read_body(request, MOST_BODY_BYTES), mistakes)
        mistakes.raise_if_any()
    except InvalidJob as found:
        raise InvalidBudget(str(found)) from found
    for name in fields:
        if name not in known:
            raise InvalidBudget(
                f"{show(name)} is no field; known are {listed(known)}.{did_you_mean(name, known)}"
            )
    return fields


def _limit_nanousd(value: Any) -> int:
    if isinstance(value, int | float) and not isinstance(value, bool) and is_limit(value):
        return nanousd_of(value)
    found = "is missing" if value is None else f"found {show(value)}"
    raise InvalidBudget(f"limit_usd {found}; it must be a number of US dollars above 0, {MOST_USD:,} at most")


def _reason(value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidBudget("reason must be a string that says why")
    try:
        return read_reason(value)
    except InvalidHold as wrong:
        raise InvalidBudget(str(wrong)) from wrong
