"""What each route asks of its caller: one table. A route that is not in it cannot be served."""

from __future__ import annotations

from collections.abc import Mapping

from claudeflow.policy.access.roles import Need

NEEDS: Mapping[str, Need] = {
    "GET /": Need.NOTHING,
    "POST /v1/messages": Need.SUBMIT,
    "POST /v1/messages/count_tokens": Need.SUBMIT,
    "GET /v1/models": Need.NAME,
    "GET /v1/models/{model_id}": Need.NAME,
    "POST /v1/jobs": Need.SUBMIT,
    "GET /v1/jobs": Need.SEE_JOBS,
    "GET /v1/jobs/{job_id}": Need.SEE_JOBS,
    "PATCH /v1/jobs/{job_id}": Need.OPERATE,
    "GET /v1/jobs/{job_id}/explain": Need.SEE_JOBS,
    "GET /v1/jobs/{job_id}/attempts": Need.SEE_JOBS,
    "POST /v1/jobs/cancel": Need.OPERATE,
    "POST /v1/jobs/retry": Need.OPERATE,
    "POST /v1/jobs/move": Need.OPERATE,
    "POST /v1/jobs/{job_id}/cancel": Need.CANCEL_JOBS,
    "POST /v1/jobs/{job_id}/retry": Need.OPERATE,
    "GET /v1/holds": Need.READ,
    "POST /v1/holds": Need.OPERATE,
    "GET /v1/holds/history": Need.READ,
    "DELETE /v1/holds/{scope}": Need.OPERATE,
    "GET /v1/limits": Need.READ,
    "GET /v1/reconcile": Need.READ,
    "POST /v1/reconcile": Need.ADMIN,
    "GET /v1/usage": Need.READ,
    "GET /v1/usage/submitters": Need.READ,
    "GET /v1/prices/check": Need.READ,
    "GET /v1/cache": Need.READ,
    "GET /v1/batches": Need.READ,
    "GET /v1/batches/{batch_id}": Need.READ,
    "POST /v1/batches/{batch_id}/cancel": Need.OPERATE,
    "GET /v1/mailboxes": Need.READ,
    "GET /v1/mailboxes/{name}": Need.READ,
    "GET /v1/packs": Need.READ,
    "POST /v1/packs/{name}/reset": Need.OPERATE,
    "GET /v1/budgets": Need.READ,
    "GET /v1/budgets/history": Need.READ,
    "PUT /v1/budgets/{name}": Need.ADMIN,
    "POST /v1/budgets/{name}/release": Need.OPERATE,
    "GET /v1/events": Need.SEE_JOBS,
    "GET /v1/status": Need.READ,
    "GET /v1/whoami": Need.NAME,
    "GET /v1/tokens": Need.ADMIN,
    "POST /v1/tokens": Need.ADMIN,
    "DELETE /v1/tokens/{name}": Need.ADMIN,
    "GET /openapi.json": Need.NOTHING,
    "GET /-/healthy": Need.NOTHING,
    "GET /-/ready": Need.NOTHING,
}
"""By method and path."""


def need_of(method: str, path: str) -> Need:
    """What the route asks. Raises LookupError for one that nobody has thought about."""
    route = f"{method} {path}"
    if route not in NEEDS:
        raise LookupError(f"{route} says nowhere who may ask for it: give it a line in {__name__}.NEEDS")
    return NEEDS[route]
