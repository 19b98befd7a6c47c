"""The requests about who may do what, one method each."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from claudeflow.domain.errors import InvalidJob
from claudeflow.intake.desks.access import InvalidToken
from claudeflow.intake.desks.desk import Desk
from claudeflow.intake.http.bodies import check_json, read_body
from claudeflow.intake.http.guard import standing_of, who
from claudeflow.intake.http.queries import Query
from claudeflow.intake.http.responses import json_response
from claudeflow.intake.json_text import read_object
from claudeflow.intake.mistakes import Mistakes
from claudeflow.intake.new_tokens import read_token
from claudeflow.intake.views.access import standing_to_json, token_to_json

MOST_BODY_BYTES = 64 * 1024


class AccessHandlers:
    """Thin: each method reads its parameters, asks the desk, and writes the answer."""

    def __init__(self, desk: Desk, clock_ms: Callable[[], int]) -> None:
        self._desk = desk
        self._clock_ms = clock_ms

    async def whoami(self, request: Request) -> Response:
        """GET /v1/whoami: who asks, what it may do, and what it has used."""
        Query(request)
        standing = standing_of(request)
        return json_response(standing_to_json(standing, await self._desk.access.used(standing)))

    async def tokens(self, request: Request) -> Response:
        """GET /v1/tokens: every token, the newest first, without its secret."""
        Query(request)
        now_ms = self._clock_ms()
        found = await self._desk.access.tokens()
        return json_response({"tokens": [token_to_json(token, now_ms) for token in found]})

    async def create(self, request: Request) -> Response:
        """POST /v1/tokens: a new token, with its text, which no answer has again."""
        Query(request)
        check_json(request)
        raw, mistakes, now_ms = await read_body(request, MOST_BODY_BYTES), Mistakes(), self._clock_ms()
        try:
            fields = read_object(raw, mistakes)
            wanted = read_token(fields, self._desk.catalog.lanes, now_ms, who(request), mistakes)
            mistakes.raise_if_any()
        except InvalidJob as found:
            raise InvalidToken(str(found)) from found
        assert wanted is not None
        token, text = await self._desk.access.create_token(wanted)
        headers = {"cache-control": "no-store"}
        return json_response({**token_to_json(token, now_ms), "token": text}, 201, headers)

    async def revoke(self, request: Request) -> Response:
        """DELETE /v1/tokens/{name}: the token is good for nothing any more."""
        Query(request)
        revoked = await self._desk.access.revoke_token(request.path_params["name"], who(request))
        return json_response(token_to_json(revoked, self._clock_ms()))
