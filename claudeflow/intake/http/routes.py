"""All that is served: one table, by path and method. Paths that are spelt out come before templates."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from claudeflow.intake.desks.desk import Desk
from claudeflow.intake.http.handlers.access import AccessHandlers
from claudeflow.intake.http.handlers.batches import BatchHandlers
from claudeflow.intake.http.handlers.books import BooksHandlers
from claudeflow.intake.http.handlers.budgets import BudgetHandlers
from claudeflow.intake.http.handlers.bulk import BulkHandlers
from claudeflow.intake.http.handlers.cache import CacheHandlers
from claudeflow.intake.http.handlers.events import EventHandlers
from claudeflow.intake.http.handlers.holds import HoldHandlers
from claudeflow.intake.http.handlers.jobs import JobHandlers
from claudeflow.intake.http.handlers.mailboxes import MailboxHandlers
from claudeflow.intake.http.handlers.messages import MessagesHandlers
from claudeflow.intake.http.handlers.packs import PackHandlers
from claudeflow.intake.http.handlers.queue import QueueHandlers
from claudeflow.intake.http.handlers.reconcile import ReconcileHandlers
from claudeflow.intake.http.handlers.state import StateHandlers
from claudeflow.intake.http.handlers.submit import SubmitHandlers
from claudeflow.intake.http.idempotency import KeyBook
from claudeflow.intake.http.openapi import document as openapi

Handler = Callable[[Request], Awaitable[Response]]
Table = dict[str, dict[str, Handler]]
ClockMs = Callable[[], int]


def served(desk: Desk, clock_ms: ClockMs, keys: KeyBook) -> Table:
    """The handlers by path and method."""
    return {
        **_as_the_api(desk, clock_ms),
        **_jobs(desk, clock_ms, keys),
        **_work(desk, clock_ms),
        **_money(desk, clock_ms),
        **_state(desk, clock_ms),
    }


def _as_the_api(desk: Desk, clock_ms: ClockMs) -> Table:
    messages = MessagesHandlers(desk, clock_ms)
    return {
        "/": {"GET": messages.root},
        "/v1/messages": {"POST": messages.create},
        "/v1/messages/count_tokens": {"POST": messages.count_tokens},
        "/v1/models": {"GET": messages.models},
        "/v1/models/{model_id}": {"GET": messages.model},
    }


def _jobs(desk: Desk, clock_ms: ClockMs, keys: KeyBook) -> Table:
    jobs, queue, bulk = JobHandlers(desk), QueueHandlers(desk), BulkHandlers(desk)
    return {
        "/v1/jobs": {"POST": SubmitHandlers(desk, clock_ms, keys).submit, "GET": jobs.list_jobs},
        "/v1/jobs/cancel": {"POST": bulk.cancel},
        "/v1/jobs/retry": {"POST": bulk.retry},
        "/v1/jobs/move": {"POST": bulk.move},
        "/v1/jobs/{job_id}": {"GET": jobs.job, "PATCH": queue.move},
        "/v1/jobs/{job_id}/explain": {"GET": queue.explain},
        "/v1/jobs/{job_id}/attempts": {"GET": jobs.attempts},
        "/v1/jobs/{job_id}/cancel": {"POST": jobs.cancel},
        "/v1/jobs/{job_id}/retry": {"POST": jobs.retry},
        "/v1/limits": {"GET": queue.limits},
    }


def _work(desk: Desk, clock_ms: ClockMs) -> Table:
    holds, batches = HoldHandlers(desk.holds, clock_ms), BatchHandlers(desk.batches)
    packs, mailboxes = PackHandlers(desk.packs), MailboxHandlers(desk.mailboxes)
    return {
        "/v1/holds": {"GET": holds.in_force, "POST": holds.set},
        "/v1/holds/history": {"GET": holds.history},
        "/v1/holds/{scope}": {"DELETE": holds.release},
        "/v1/batches": {"GET": batches.list_batches},
        "/v1/batches/{batch_id}": {"GET": batches.batch},
        "/v1/batches/{batch_id}/cancel": {"POST": batches.cancel},
        "/v1/packs": {"GET": packs.report},
        "/v1/packs/{name}/reset": {"POST": packs.reset},
        "/v1/mailboxes": {"GET": mailboxes.report},
        "/v1/mailboxes/{name}": {"GET": mailboxes.one},
    }


def _money(desk: Desk, clock_ms: ClockMs) -> Table:
    books, budgets = BooksHandlers(desk.books, clock_ms), BudgetHandlers(desk.budgets)
    reconcile = ReconcileHandlers(desk.reconciliation, clock_ms)
    return {
        "/v1/usage": {"GET": books.usage},
        "/v1/usage/submitters": {"GET": books.submitters},
        "/v1/prices/check": {"GET": books.check_prices},
        "/v1/reconcile": {"GET": reconcile.last, "POST": reconcile.compare},
        "/v1/budgets": {"GET": budgets.show},
        "/v1/budgets/history": {"GET": budgets.history},
        "/v1/budgets/{name}": {"PUT": budgets.set},
        "/v1/budgets/{name}/release": {"POST": budgets.release},
    }


def _state(desk: Desk, clock_ms: ClockMs) -> Table:
    state, access = StateHandlers(desk), AccessHandlers(desk, clock_ms)
    return {
        "/v1/events": {"GET": EventHandlers(desk, clock_ms).follow},
        "/v1/status": {"GET": state.status},
        "/v1/cache": {"GET": CacheHandlers(desk.cache).report},
        "/v1/whoami": {"GET": access.whoami},
        "/v1/tokens": {"GET": access.tokens, "POST": access.create},
        "/v1/tokens/{name}": {"DELETE": access.revoke},
        "/-/healthy": {"GET": state.healthy},
        "/-/ready": {"GET": state.ready},
        openapi.PATH: {"GET": state.openapi},
    }
