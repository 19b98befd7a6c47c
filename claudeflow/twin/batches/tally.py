"""What the twin tells of batches beyond what the API does."""

from __future__ import annotations

from dataclasses import dataclass

from claudeflow.twin.batches.batch import Batch


@dataclass(frozen=True, slots=True)
class BatchView:
    """One batch. `items` says how its requests stand now, also before it has ended."""

    id: str
    status: str
    items: dict[str, int]
    created_epoch_s: float
    ended_epoch_s: float | None
    cache_writes: int
    cache_reads: int
    cost_nanousd: int
    custom_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BatchStats:
    """All batches ever created, and the calls about them by endpoint.

    `early_calls` arrived although a `retry-after` of these endpoints had not passed yet.
    """

    batches: int
    items: dict[str, int]
    calls: dict[str, int]
    early_calls: int


NO_BATCHES = BatchStats(0, {}, {}, 0)


def view_of(batch: Batch) -> BatchView:
    """A batch as it stands now."""
    offset_s = batch.visit.offset_s
    return BatchView(
        id=batch.id,
        status=batch.status,
        items=batch.progress(),
        created_epoch_s=batch.created_at + offset_s,
        ended_epoch_s=None if batch.ended_at is None else batch.ended_at + offset_s,
        cache_writes=batch.cache_writes,
        cache_reads=batch.cache_reads,
        cost_nanousd=batch.cost_nanousd,
        custom_ids=tuple(batch.custom_ids),
    )
