"""A desk for batches in memory: the second implementation of `BatchDesk`, for tests of the front doors."""

from __future__ import annotations

from dataclasses import replace

from claudeflow.domain.batch import BatchCounts, BatchState
from claudeflow.domain.batch_report import BatchesView, BatchesWaiting, BatchRow, BatchSpendRow
from claudeflow.domain.errors import BatchNotFound, Conflict

NOW_MS = 1_795_338_000_000
CREATED_MS = NOW_MS - 590_000
API_ID = "msgbatch_013Zva2CMHLNnXjNJJKqJ2EF"
SPEND = BatchSpendRow(
    cost_nanousd=1_250_000_000,
    bound_nanousd=0,
    unbatched_nanousd=2_600_000_000,
    input_tokens=1_200_000,
    cache_write_tokens=5_120,
    cache_read_tokens=2_400_000,
    output_tokens=300_000,
)
UNDER_WAY = BatchRow(
    id=8,
    state=BatchState.IN_PROGRESS,
    api_id=API_ID,
    requests=1_000,
    booked=0,
    left=3,
    counts=BatchCounts(processing=1_000),
    made_ms=NOW_MS - 600_000,
    created_ms=CREATED_MS,
    expires_ms=CREATED_MS + 86_400_000,
    ended_ms=None,
    done_ms=None,
    size_bytes=1_230_000,
    warms=False,
    marks=2,
    cancel_by=None,
    problem="the API answered overloaded_error: it is asked again",
)
DONE = replace(
    UNDER_WAY,
    id=7,
    state=BatchState.DONE,
    booked=1_000,
    left=0,
    counts=BatchCounts(succeeded=990, errored=6, canceled=0, expired=4),
    ended_ms=CREATED_MS + 2_590_000,
    done_ms=CREATED_MS + 2_600_000,
    cancel_by=None,
    problem=None,
)
UNSENT = replace(
    UNDER_WAY,
    id=9,
    state=BatchState.READY,
    api_id=None,
    left=0,
    created_ms=None,
    expires_ms=None,
    counts=BatchCounts(),
    warms=True,
    marks=1,
    problem=None,
)
WAITING = BatchesWaiting(
    lane="bulk",
    workflow="vendor-questions",
    model="claude-haiku-5-5",
    requests=812,
    size_bytes=2_100_000,
    oldest_ms=NOW_MS - 180_000,
    why="its batch has 812 of 10,000 requests, and leaves when its first job has waited for 5m",
    until_ms=NOW_MS + 120_000,
)


class FakeBatchDesk:
    """Keeps batches in a dict. `cancelled` notes which were to be stopped, and whether with their jobs."""

    def __init__(self) -> None:
        self.rows = {row.id: row for row in (DONE, UNDER_WAY, UNSENT)}
        self.spends = {7: SPEND, 8: replace(SPEND, cost_nanousd=0, unbatched_nanousd=0, bound_nanousd=4_000)}
        self.waiting = [WAITING]
        self.cancelled: list[tuple[int, bool]] = []

    async def list_batches(self, before_id: int | None, limit: int) -> BatchesView:
        newest_first = sorted(self.rows.values(), key=lambda row: -row.id)
        rows = [row for row in newest_first if before_id is None or row.id < before_id]
        return BatchesView(tuple(rows[:limit]), tuple(self.waiting), 2_580.0)

    async def batch(self, batch_id: int) -> tuple[BatchRow, BatchSpendRow]:
        if batch_id not in self.rows:
            raise BatchNotFound(f"no batch has the number {batch_id}")
        return self.rows[batch_id], self.spends.get(batch_id, BatchSpendRow(0, 0, 0, 0, 0, 0, 0))

    async def cancel(self, batch_id: int, who: str, *, jobs: bool) -> BatchRow:
        row, _ = await self.batch(batch_id)
        if row.done_ms is not None:
            raise Conflict(f"batch {batch_id} is {row.state}: there is nothing left to stop")
        self.cancelled.append((batch_id, jobs))
        self.rows[batch_id] = replace(row, cancel_by=row.cancel_by or who)
        return self.rows[batch_id]
