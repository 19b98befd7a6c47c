"""The requests about holds, one method each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from claudeflow.domain.errors import InvalidJob
from claudeflow.intake.desks.holds import HoldDesk, InvalidHold, NewHold
from claudeflow.intake.http.bodies import check_json, read_body
from claudeflow.intake.http.guard import who
from claudeflow.intake.http.queries import Query
from claudeflow.intake.http.responses import json_response
from claudeflow.intake.json_text import read_object
from claudeflow.intake.mistakes import Mistakes, did_you_mean, listed, show
from claudeflow.intake.scopes import read_cause, read_reason, read_scope
from claudeflow.intake.times import read_time
from claudeflow.intake.views.jobs import change_to_json, hold_in_force_to_json, hold_to_json

MOST_BODY_BYTES = 64 * 1024
MOST_CHANGES = 1_000
SOME_CHANGES = 50
NO_REASON = "released by hand"

_FIELDS = ("scope", "reason", "until")


class HoldHandlers:
    """Thin: each method reads its parameters, asks the desk, and writes the answer."""

    def __init__(self, desk: HoldDesk, clock_ms: Callable[[], int]) -> None:
        self._desk = desk
        self._clock_ms = clock_ms

    async def in_force(self, request: Request) -> Response:
        """GET /v1/holds: what is held, the oldest first."""
        Query(request)
        return json_response({"holds": [hold_in_force_to_json(row) for row in await self._desk.in_force()]})

    async def history(self, request: Request) -> Response:
        """GET /v1/holds/history: who held and released what, the newest first."""
        limit = Query(request, frozenset({"limit"})).integer("limit", 1, MOST_CHANGES) or SOME_CHANGES
        return json_response({"changes": [change_to_json(one) for one in await self._desk.history(limit)]})

    async def set(self, request: Request) -> Response:
        """POST /v1/holds: hold a scope, or change the hold that was set by hand there."""
        Query(request)
        check_json(request)
        wanted = self._new_hold(await read_body(request, MOST_BODY_BYTES), who(request))
        hold, is_new = await self._desk.set(wanted)
        location = {"location": f"/v1/holds/{hold.scope}"} if is_new else None
        return json_response(hold_to_json(hold), 201 if is_new else 200, location)

    async def release(self, request: Request) -> Response:
        """DELETE /v1/holds/{scope}."""
        query = Query(request, frozenset({"cause", "reason"}))
        cause, reason = query.text("cause"), query.text("reason")
        done = await self._desk.release(
            read_scope(request.path_params["scope"]),
            None if cause is None else read_cause(cause),
            NO_REASON if reason is None else read_reason(reason),
            who(request),
        )
        return json_response(
            {
                "released": [hold_to_json(hold) for hold in done.released],
                "remaining": [hold_to_json(hold) for hold in done.remaining],
            }
        )

    def _new_hold(self, raw: bytes, person: str) -> NewHold:
        mistakes = Mistakes()
        try:
            fields = read_object(raw, mistakes)
            until_ms = read_time("until", fields.get("until"), self._clock_ms(), mistakes)
            mistakes.raise_if_any()
        except InvalidJob as found:
            raise InvalidHold(str(found)) from found
        for name in fields:
            if name not in _FIELDS:
                hint = did_you_mean(name, _FIELDS)
                raise InvalidHold(f"{show(name)} is no field of a hold; known are {listed(_FIELDS)}.{hint}")
        scope, reason = read_scope(_text(fields, "scope")), read_reason(_text(fields, "reason"))
        return NewHold(scope, reason, person, until_ms)


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise InvalidHold(f"{name} must be a string; a hold needs a scope and a reason")
    return value
