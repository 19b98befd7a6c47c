"""Batches → their public JSON. docs/http.md lists every field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from claudeflow.domain.batch_report import BatchesView, BatchesWaiting, BatchRow, BatchSpendRow
from claudeflow.intake.times import write_time

KEPT_MS = 29 * 86_400_000
"""For so long after the creation of a batch the API keeps its results (Message Batches)."""


def batches_to_json(found: BatchesView, spends: Mapping[int, BatchSpendRow], limit: int) -> dict[str, Any]:
    """Batches, newest first, with what those in `spends` cost; `next` is the `before` of the next page."""
    following = found.batches[-1].id if len(found.batches) == limit else None
    return {
        "batches": [batch_to_json(row, spends.get(row.id)) for row in found.batches],
        "next": following,
        "waiting": [_waiting_to_json(waiting) for waiting in found.waiting],
        "usual_s": found.usual_s,
    }


def batch_to_json(row: BatchRow, spend: BatchSpendRow | None = None) -> dict[str, Any]:
    """A batch. Times are RFC 3339 in UTC, money is nano-dollars."""
    created_ms = row.created_ms
    return {
        "id": row.id,
        "api_id": row.api_id,
        "state": row.state.value,
        "requests": row.requests,
        "booked": row.booked,
        "left": row.left,
        "counts": asdict(row.counts),
        "made_at": write_time(row.made_ms),
        "created_at": write_time(created_ms),
        "expires_at": write_time(row.expires_ms),
        "ended_at": write_time(row.ended_ms),
        "done_at": write_time(row.done_ms),
        "results_until": write_time(None if created_ms is None else created_ms + KEPT_MS),
        "size_bytes": row.size_bytes,
        "warms": row.warms,
        "marks": row.marks,
        "cancel_by": row.cancel_by,
        "problem": row.problem,
        "spend": _spend_to_json(spend) if spend else None,
    }


def _spend_to_json(spend: BatchSpendRow) -> dict[str, Any]:
    return {**asdict(spend), "saved_nanousd": spend.unbatched_nanousd - spend.cost_nanousd}


def _waiting_to_json(waiting: BatchesWaiting) -> dict[str, Any]:
    plain = asdict(waiting)
    oldest_at, until = write_time(plain.pop("oldest_ms")), write_time(plain.pop("until_ms"))
    return {**plain, "oldest_at": oldest_at, "until": until}
