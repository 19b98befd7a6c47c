"""The ASGI application: routes, and the one place where exceptions become answers."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from claudeflow.domain.errors import IntakeError
from claudeflow.intake.desks.desk import Desk
from claudeflow.intake.http.bodies import close_if_unread
from claudeflow.intake.http.door.hosts import LOOPBACK
from claudeflow.intake.http.errors import InternalError, MethodNotAllowed, NotAcceptable, NotFound
from claudeflow.intake.http.guard import Guard
from claudeflow.intake.http.handlers.access import AccessHandlers
from claudeflow.intake.http.handlers.batches import BatchHandlers
from claudeflow.intake.http.handlers.books import BooksHandlers
from claudeflow.intake.http.handlers.budgets import BudgetHandlers
from claudeflow.intake.http.handlers.bulk import BulkHandlers
from claudeflow.intake.http.handlers.cache import CacheHandlers
from claudeflow.intake.http.handlers.events import EventHandlers
from claudeflow.intake.http.handlers.holds import HoldHandlers
from claudeflow.intake.http.handlers.jobs import Handlers
from claudeflow.intake.http.handlers.mailboxes import MailboxHandlers
from claudeflow.intake.http.handlers.messages import MessagesHandlers
from claudeflow.intake.http.handlers.packs import PackHandlers
from claudeflow.intake.http.handlers.queue import QueueHandlers
from claudeflow.intake.http.handlers.reconcile import ReconcileHandlers
from claudeflow.intake.http.handlers.submit import SubmitHandlers
from claudeflow.intake.http.idempotency import KEYED_PATHS, KeyBook
from claudeflow.intake.http.needs import need_of
from claudeflow.intake.http.openapi import document as openapi
from claudeflow.intake.http.responses import problem_response
from claudeflow.intake.http.room import BodyRoom
from claudeflow.intake.http.routing import route_of
from claudeflow.intake.messages.errors import api_error
from claudeflow.intake.mistakes import show

Handler = Callable[[Request], Awaitable[Response]]
OnTrouble = Callable[[Exception], None]
Wording = Callable[[IntakeError], Response]

ACCEPTABLE = ("*/*", "application/*", "json")
API_ROOTS = frozenset({"messages", "models", "files"})
"""What clients of the Claude API ask for under /v1; not all of it is served."""
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
    handlers = Handlers(desk)
    queue, reconcile = QueueHandlers(desk), ReconcileHandlers(desk.reconciliation, clock_ms)
    books, events = BooksHandlers(desk.books, clock_ms), EventHandlers(desk, clock_ms)
    mailboxes = MailboxHandlers(desk.mailboxes)

    def route(path: str, **by_method: Handler) -> Route:
        if path in KEYED_PATHS:
            by_method["POST"] = keys.once(by_method["POST"])
        answer = _answering(path, by_method, guard, on_trouble)
        return route_of(path)(path, room.kept_by(answer), methods=list(by_method))

    app = Starlette(
        routes=[
            *_api_routes(MessagesHandlers(desk, clock_ms), route),
            route("/v1/jobs", POST=SubmitHandlers(desk, clock_ms, keys).submit, GET=handlers.list_jobs),
            *_bulk_routes(BulkHandlers(desk), route),
            route("/v1/jobs/{job_id}", GET=handlers.job, PATCH=queue.move),
            *_one_job_routes(handlers, queue, route),
            *_hold_routes(HoldHandlers(desk.holds, clock_ms), route),
            route("/v1/limits", GET=queue.limits),
            route("/v1/reconcile", GET=reconcile.last, POST=reconcile.compare),
            route("/v1/usage", GET=books.usage),
            route("/v1/usage/submitters", GET=books.submitters),
            route("/v1/prices/check", GET=books.check_prices),
            route("/v1/cache", GET=CacheHandlers(desk.cache).report),
            *_batch_routes(BatchHandlers(desk.batches), route),
            route("/v1/mailboxes", GET=mailboxes.report),
            route("/v1/mailboxes/{name}", GET=mailboxes.one),
            *_pack_routes(PackHandlers(desk.packs), route),
            *_budget_routes(BudgetHandlers(desk.budgets), route),
            route("/v1/events", GET=events.follow),
            route("/v1/status", GET=handlers.status),
            *_access_routes(AccessHandlers(desk, clock_ms), route),
            route("/-/healthy", GET=handlers.healthy),
            route("/-/ready", GET=handlers.ready),
            route(openapi.PATH, GET=handlers.openapi),
        ],
        exception_handlers={HTTPException: _routing_problem},
    )
    app.router.redirect_slashes = False
    return app


def _api_routes(messages: MessagesHandlers, route: Callable[..., Route]) -> list[Route]:
    """What is served as by the Claude API."""
    return [
        route("/", GET=messages.root),
        route("/v1/messages", POST=messages.create),
        route("/v1/messages/count_tokens", POST=messages.count_tokens),
        route("/v1/models", GET=messages.models),
        route("/v1/models/{model_id}", GET=messages.model),
    ]


def _bulk_routes(bulk: BulkHandlers, route: Callable[..., Route]) -> list[Route]:
    return [
        route("/v1/jobs/cancel", POST=bulk.cancel),
        route("/v1/jobs/retry", POST=bulk.retry),
        route("/v1/jobs/move", POST=bulk.move),
    ]


def _one_job_routes(handlers: Handlers, queue: QueueHandlers, route: Callable[..., Route]) -> list[Route]:
    return [
        route("/v1/jobs/{job_id}/explain", GET=queue.explain),
        route("/v1/jobs/{job_id}/attempts", GET=handlers.attempts),
        route("/v1/jobs/{job_id}/cancel", POST=handlers.cancel),
        route("/v1/jobs/{job_id}/retry", POST=handlers.retry),
    ]


def _hold_routes(holds: HoldHandlers, route: Callable[..., Route]) -> list[Route]:
    return [
        route("/v1/holds", GET=holds.in_force, POST=holds.set),
        route("/v1/holds/history", GET=holds.history),
        route("/v1/holds/{scope}", DELETE=holds.release),
    ]


def _batch_routes(batches: BatchHandlers, route: Callable[..., Route]) -> list[Route]:
    return [
        route("/v1/batches", GET=batches.list_batches),
        route("/v1/batches/{batch_id}", GET=batches.batch),
        route("/v1/batches/{batch_id}/cancel", POST=batches.cancel),
    ]


def _pack_routes(packs: PackHandlers, route: Callable[..., Route]) -> list[Route]:
    return [
        route("/v1/packs", GET=packs.report),
        route("/v1/packs/{name}/reset", POST=packs.reset),
    ]


def _access_routes(access: AccessHandlers, route: Callable[..., Route]) -> tuple[Route, ...]:
    """Who may do what."""
    return (
        route("/v1/whoami", GET=access.whoami),
        route("/v1/tokens", GET=access.tokens, POST=access.create),
        route("/v1/tokens/{name}", DELETE=access.revoke),
    )


def _budget_routes(budgets: BudgetHandlers, route: Callable[..., Route]) -> list[Route]:
    return [
        route("/v1/budgets", GET=budgets.show),
        route("/v1/budgets/history", GET=budgets.history),
        route("/v1/budgets/{name}", PUT=budgets.set),
        route("/v1/budgets/{name}/release", POST=budgets.release),
    ]


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
    for served in by_method:
        need_of(served, path)

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
        except Exception as error:  # noqa: BLE001 (the last line before the wire)
            on_trouble(error)
            response = wording(InternalError("claudeflow failed to answer; its log says why"))
        return close_if_unread(request, response)

    return answer


def _check_acceptable(request: Request) -> None:
    accept = request.headers.get("accept")
    kinds = (*ACCEPTABLE, "event-stream", "text/*") if request.url.path in STREAMS else ACCEPTABLE
    if accept and not any(kind in accept for kind in kinds):
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
