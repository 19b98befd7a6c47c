"""Batches as the API describes them, and the pages of their list."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from claudeflow.twin.batches.batch import Batch
from claudeflow.twin.batches.rules import LIFETIME_S, PATH
from claudeflow.twin.errors import ApiError
from claudeflow.twin.wire import HttpCall

_DEFAULT_LIMIT = 20
_MAX_LIMIT = 1_000
_API = "https://api.anthropic.com"


def batch_json(batch: Batch, origin: str) -> dict[str, Any]:
    """A batch. Its results are where the client found the batch: at `origin`, a scheme and a host."""
    readable = batch.ended_at is not None and batch.archived_at is None
    moment = _moments(batch)
    return {
        "id": batch.id,
        "type": "message_batch",
        "processing_status": batch.status,
        "request_counts": batch.told_progress(),
        "ended_at": moment(batch.ended_at),
        "created_at": moment(batch.created_at),
        "expires_at": moment(batch.created_at + LIFETIME_S),
        "archived_at": moment(batch.archived_at),
        "cancel_initiated_at": moment(batch.canceled_at),
        "results_url": f"{origin}{PATH}/{batch.id}/results" if readable else None,
    }


def origin_of(call: HttpCall) -> str:
    """Where the client believes the API to be."""
    host = call.headers.get("host")
    return f"{call.scheme}://{host}" if host else _API


def page_of(batches: list[Batch], query: str, describe: Callable[[Batch], dict[str, Any]]) -> dict[str, Any]:
    """A page of the list, newest first. Raises ApiError (400) for a wrong limit or cursor.

    After `after_id` come older ones; before `before_id` newer ones, of which the nearest are shown.
    """
    asked = {name: values[0] for name, values in parse_qs(query).items()}
    limit = _limit(asked.get("limit", str(_DEFAULT_LIMIT)))
    if "after_id" in asked and "before_id" in asked:
        raise ApiError(400, "after_id, before_id: only one of them may be given")
    newest = batches[::-1]
    if "before_id" in asked:
        found = newest[: _index(newest, asked["before_id"])]
        shown = found[-limit:]
    else:
        found = newest[_index(newest, asked["after_id"]) + 1 :] if "after_id" in asked else newest
        shown = found[:limit]
    return {
        "data": [describe(batch) for batch in shown],
        "has_more": len(found) > len(shown),
        "first_id": shown[0].id if shown else None,
        "last_id": shown[-1].id if shown else None,
    }


def _limit(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= _MAX_LIMIT:
        raise ApiError(400, f"limit: Input should be between 1 and {_MAX_LIMIT}")
    return int(text)


def _index(batches: list[Batch], batch_id: str) -> int:
    for index, batch in enumerate(batches):
        if batch.id == batch_id:
            return index
    raise ApiError(400, f"cursor: {batch_id} is not a Message Batch")


def _moments(batch: Batch) -> Callable[[float | None], str | None]:
    """Tells monotonic seconds in the way of the API, with microseconds and an offset."""

    def tell(at: float | None) -> str | None:
        if at is None:
            return None
        return datetime.fromtimestamp(at + batch.visit.offset_s, UTC).isoformat(timespec="microseconds")

    return tell
