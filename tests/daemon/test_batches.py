"""Jobs that go by Message Batches in the plain case."""

from __future__ import annotations

from pathlib import Path

from claudeflow.domain.batch_events import BatchBooked, BatchCreated, BatchEnded
from claudeflow.domain.events import CallEnded, JobFinished
from claudeflow.domain.job import JobState
from tests.support.batches import batching, bulk, done, ended, states
from tests.support.daemons import running


async def test_jobs_of_a_lane_that_prefers_batches_are_answered_by_one_at_half_price(tmp_path: Path) -> None:
    async with running(tmp_path, config=batching(tmp_path)) as bench:
        records = await ended(bench, await bench.submit(*bulk(5)))
        await done(bench)
        assert {record.state for record in records} == {JobState.SUCCEEDED}
        assert await states(bench) == ["done"]
        assert bench.twin.stats().calls == 0
        assert await bench.book_mistakes() == []
        [booked] = bench.recorder.of(BatchBooked)
        assert booked.unbatched_nanousd == 2 * booked.cost_nanousd > 0
        assert len(bench.recorder.of(BatchCreated)) == len(bench.recorder.of(BatchEnded)) == 1
        assert len(bench.recorder.of(JobFinished)) == len(bench.recorder.of(CallEnded)) == 5
