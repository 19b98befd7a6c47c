"""A queue desk in memory: the second implementation of the `QueueDesk` protocol."""

from __future__ import annotations

from dataclasses import replace

from claudeflow.domain.errors import Conflict, JobNotFound
from claudeflow.domain.job import JobId, JobRecord, JobState
from claudeflow.domain.quota import Axis
from claudeflow.domain.report import (
    Ahead,
    BucketStatus,
    Explanation,
    LaneWait,
    PoolLimitsStatus,
    PoolStatus,
)

UNTIL_MS = 1_795_338_060_000


class FakeQueueDesk:
    """Moves jobs in a dict, and tells of each that it is behind others."""

    def __init__(self, records: dict[JobId, JobRecord]) -> None:
        self._records = records

    async def move(self, job_id: JobId, lane: str | None, priority: int | None) -> JobRecord:
        record = self._known(job_id)
        if record.state not in (JobState.QUEUED, JobState.HELD):
            raise Conflict(f"job {job_id} is {record.state}: only a job that waits can be moved")
        self._records[job_id] = replace(
            record,
            lane=record.lane if lane is None else lane,
            priority=record.priority if priority is None else priority,
        )
        return self._records[job_id]

    async def explain(self, job_id: JobId) -> Explanation:
        record = self._known(job_id)
        return Explanation(
            job_id, record.state.value, "behind", "4 jobs go first", None, Ahead(1, 2, 3, 4), UNTIL_MS
        )

    async def limits(self) -> list[PoolLimitsStatus]:
        bucket = BucketStatus(Axis.REQUESTS, 1_000.0, 80.0, 83.0)
        pool = PoolStatus("haiku-5.5", 0.9, True, 0.0, 16, 2, 1, (bucket,))
        return [PoolLimitsStatus(pool, (LaneWait("bulk", "triage", "bucket", "requests bucket", UNTIL_MS),))]

    def _known(self, job_id: JobId) -> JobRecord:
        if job_id not in self._records:
            raise JobNotFound(f"no job has the id {job_id}")
        return self._records[job_id]
