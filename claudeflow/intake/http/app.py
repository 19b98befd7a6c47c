"""The ASGI application: routes, and the one place where exceptions become answers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from claudeflow.domain.errors import IntakeError, StoreError
from claudeflow.intake.desks.desk import Desk
from claudeflow.intake.http.bodies import close_if_unread
from claudeflow.intake.http.door.hosts import LOOPBACK
from claudeflow.intake.http.errors import (
    InternalError,
    MethodNotAllowed,
    NotAcceptable,
    NotFound,
    StoreUnavailable,
)
from claudeflow.intake.http.guard import Guard
from claudeflow.intake.http.idempotency import KEYED_PATHS, KeyBook
from claudeflow.intake.http.needs import need_of
from claudeflow.intake.http.responses import problem_response
from claudeflow.intake.http.room import BodyRoom
from claudeflow.intake.http.routes import Handler, served
from claudeflow.intake.http.routing import route_of
from claudeflow.intake.messages.errors import api_error
from claudeflow.intake.mistakes import show

OnTrouble = Callable[[Exception], None]
Wording = Callable[[IntakeError], Response]

ACCEPTABLE = ("*/*", "application/*", "json")
API_ROOTS = frozenset({"messages", "models", "files"})
"""What clients of the Claude API ask for under /v1; not all of it is served."""
NO_STORE = (
    "claudeflow cannot use its store now, a full disk for example: nothing was stored; its log says why"
)
STORE_RETRY_S = 10
STREAMS = frozenset({"/v1/events"})
"""Paths that answer with server-sent events."""

_log = logging.getLogger(__name__)


def log_trouble(error: Exception) -> None:
    """Log our own failure by its type and place; messages of exceptions may quote what was asked."""
    _log.error("request failed: %s", type(error).__name__)


def build_app(
    desk: Desk,
    clock_ms: Callable[[], int],
    on_trouble: OnTrouble = log_trouble,
    room: BodyRoom | None = None,
    hosts: frozenset[str] = LOOPBACK,
) -> ASGIApp:
    """The application over `desk`. `on_trouble` is told of every exception that is not the caller's fault."""
    keys, guard, room = KeyBook(desk.receipts), Guard(desk, hosts), room or BodyRoom()

    def route(path: str, by_method: dict[str, Handler]) -> Route:
        if path in KEYED_PATHS:
            by_method["POST"] = keys.once(by_method["POST"])
        answer = _answering(path, by_method, guard, on_trouble)
        return route_of(path)(path, room.kept_by(answer), methods=list(by_method))

    app = Starlette(
        routes=[route(path, by_method) for path, by_method in served(desk, clock_ms, keys).items()],
        exception_handlers={HTTPException: _routing_problem},
    )
    app.router.redirect_slashes = False
    return app


def is_the_apis(path: str) -> bool:
    """Whether clients of the Claude API ask there: its contract is not ours, nor are its errors."""
    parts = path.split("/")
    return parts in (["", ""], ["", "v1"]) or (parts[:2] == ["", "v1"] and parts[2] in API_ROOTS)


def wording_of(path: str) -> Wording:
    """How errors are worded under a path: as by the API where its clients ask, else as problem documents."""
    return api_error if is_the_apis(path) else problem_response


def _answering(path: str, by_method: Mapping[str, Handler], guard: Guard, on_trouble: OnTrouble) -> Handler:
    """The handler of the request's method, for whom may ask, with every exception turned into an answer."""
    wording = wording_of(path)
    for method in by_method:
        need_of(method, path)

    async def answer(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        try:
            await guard.check(request, method, path)
            if wording is not api_error:
                _check_acceptable(request)
            response = await by_method[method](request)
        except IntakeError as error:
            guard.refused(request, error)
            response = wording(error)
        except ClientDisconnect:
            response = Response(status_code=400)  # nobody reads it
        except StoreError as error:
            on_trouble(error)
            response = wording(StoreUnavailable(NO_STORE, STORE_RETRY_S))
        except Exception as error:  # noqa: BLE001 (the last line before the wire)
            on_trouble(error)
            response = wording(InternalError("claudeflow failed to answer; its log says why"))
        return close_if_unread(request, response)

    return answer


def _check_acceptable(request: Request) -> None:
    accept = request.headers.get("accept")
    if not accept or accept == "*/*":
        return
    kinds = (*ACCEPTABLE, "event-stream", "text/*") if request.scope["path"] in STREAMS else ACCEPTABLE
    if not any(kind in accept for kind in kinds):
        raise NotAcceptable(f"answers are application/json, which {show(accept)} leaves out; accept it")


async def _routing_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = show(request.url.path)
    if error.status_code == 405:
        problem: IntakeError = MethodNotAllowed(f"{request.method} is not served at {path}; see `allow`")
    else:
        problem = NotFound(f"nothing is served at {path}; {_way_out(request.url.path)}")
    response = wording_of(request.url.path)(problem)
    response.headers.update(error.headers or {})
    return close_if_unread(request, response)


def _way_out(path: str) -> str:
    if path.startswith("/v1/messages/batches"):
        return "for half the price send jobs to a lane with batch: docs/batches.md"
    return "docs/http.md lists what is"
