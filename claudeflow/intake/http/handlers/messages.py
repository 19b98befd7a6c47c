"""The drop-in endpoint: what an Anthropic client asks, answered as by the API."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from claudeflow.domain.enquiry import Answer, Enquiry
from claudeflow.intake.desks.desk import Desk
from claudeflow.intake.desks.messages import Line
from claudeflow.intake.http.bodies import read_body
from claudeflow.intake.http.errors import UnsupportedMediaType
from claudeflow.intake.http.guard import standing_of, who
from claudeflow.intake.http.line_response import LineResponse
from claudeflow.intake.http.responses import json_response
from claudeflow.intake.http.room import held_by
from claudeflow.intake.messages.headers import read_dialect
from claudeflow.intake.messages.request import read_ask

COUNT_TOKENS = "/v1/messages/count_tokens"
MODELS = "/v1/models"


class MessagesHandlers:
    """Thin: each method reads the request, asks the desk, and hands on what the API said."""

    def __init__(self, desk: Desk, clock_ms: Callable[[], int]) -> None:
        self._desk = desk
        self._clock_ms = clock_ms

    async def root(self, _request: Request) -> Response:
        """HEAD / and GET /: somebody is there. Clients ask before they send anything."""
        return json_response({"claudeflow": "POST /v1/messages, or see docs/http.md"})

    async def create(self, request: Request) -> Response:
        """POST /v1/messages: a Message, or its events with `"stream": true`."""
        line = await self._open(request)
        held_by(request).give_back()
        leaving = asyncio.create_task(_hang_up(request, line))
        try:
            answer = await line.answer()
        except BaseException:
            leaving.cancel()
            await line.close()
            raise
        if isinstance(answer, Answer):
            leaving.cancel()
            await line.close()
            return whole(answer)
        if answer is None:
            await line.close()
            return Response(status_code=499)  # nobody reads it
        return LineResponse(line, answer, leaving)

    async def _open(self, request: Request) -> Line:
        """Read and store what is asked; nothing of it stays in memory."""
        check_body_is_json(request)
        by, catalog = standing_of(request), self._desk.catalog
        raw = await read_body(request, catalog.max_body_bytes)
        headers, query = _told(request)
        ask = read_ask(raw, headers, query, catalog.as_for(by), now_ms=self._clock_ms(), by=by)
        return await self._desk.messages.open(ask)

    async def count_tokens(self, request: Request) -> Response:
        """POST /v1/messages/count_tokens: how many tokens the API counts."""
        check_body_is_json(request)
        raw = await read_body(request, self._desk.catalog.max_body_bytes)
        return await self._enquire(request, COUNT_TOKENS, raw)

    async def models(self, request: Request) -> Response:
        """GET /v1/models: the models that the API has."""
        return await self._enquire(request, MODELS, None)

    async def model(self, request: Request) -> Response:
        """GET /v1/models/{model_id}: one of them."""
        name = quote(request.path_params["model_id"], safe="")
        return await self._enquire(request, f"{MODELS}/{name}", None)

    async def _enquire(self, request: Request, path: str, body: bytes | None) -> Response:
        enquiry = Enquiry(path, read_dialect(*_told(request)), body)
        return whole(await self._desk.messages.enquire(enquiry, who(request)))


def _told(request: Request) -> tuple[dict[str, str], str]:
    """The headers, names in lower case, and the query."""
    return dict(request.headers.items()), request.url.query


def whole(answer: Answer) -> Response:
    """A whole answer as it is to leave."""
    return Response(answer.body, answer.status, dict(answer.headers))


def check_body_is_json(request: Request) -> None:
    """The API reads JSON and nothing else, not compressed. Raises UnsupportedMediaType."""
    if request.headers.get("content-encoding", "identity") != "identity":
        raise UnsupportedMediaType("compressed bodies are not read; send it without content-encoding")


async def _hang_up(request: Request, line: Line) -> None:
    """Tell the line when the connection breaks."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    line.hang_up()
