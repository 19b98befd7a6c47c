"""Settings, jobs and remote batches that are ordinary, with changes. Times are epoch ms."""

from __future__ import annotations

from typing import Any

from claudeflow.domain.batch import BatchCounts, ProcessingStatus, RemoteBatch
from claudeflow.policy.batching.routing import JobFacts
from claudeflow.policy.batching.settings import BatchSettings

NOW_MS = 1_700_000_000_000
HOUR_MS = 3_600_000

SETTINGS = BatchSettings(
    max_requests=1_000, max_bytes=1_000_000, max_queued=5_000, max_age_s=300.0, margin=1.5, comeback_s=900.0
)


def facts(left_s: float | None = None, **changes: Any) -> JobFacts:
    """A small job, with so many seconds before its deadline; None: it has no deadline."""
    deadline_ms = None if left_s is None else NOW_MS + round(1000 * left_s)
    ordinary: dict[str, Any] = {"size_bytes": 2_000, "deadline_ms": deadline_ms}
    return JobFacts(**(ordinary | changes))


def remote(
    batch_id: str, created_ms: int = NOW_MS, requests: int = 100, *, ended: bool = False
) -> RemoteBatch:
    """A batch as the API lists it."""
    counts = BatchCounts(succeeded=requests - 1, errored=1) if ended else BatchCounts(processing=requests)
    status = ProcessingStatus.ENDED if ended else ProcessingStatus.IN_PROGRESS
    return RemoteBatch(batch_id, status, counts, created_ms, created_ms + 24 * HOUR_MS)
