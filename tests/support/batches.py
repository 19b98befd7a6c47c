"""Daemons whose bulk lane goes by Message Batches, and what their tests ask of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from claudeflow.config import Config
from claudeflow.domain.batch_report import BatchRow
from claudeflow.domain.job import JobId, JobRecord
from claudeflow.policy.batching.settings import BatchPolicy, BatchSettings
from claudeflow.policy.lanes.settings import LaneSettings
from claudeflow.store import batches
from claudeflow.store.batches import BatchRecord
from tests.support.books import reading
from tests.support.daemons import Bench, a_config, some_jobs, until

AT_ONCE = BatchSettings(max_age_s=0.0, poll_s=1.0, requests_per_min=1_000_000)
LONG_AFTER_LOST_S = 130.0
"""So long after a create whose answer was lost the list is believed that has no such batch."""


def batching(
    folder: Path,
    policy: BatchPolicy = "always",
    settings: BatchSettings = AT_ONCE,
    *,
    lane: LaneSettings | None = None,
    **changes: Any,
) -> Config:
    """A configuration whose bulk lane goes by batches; `standard` and `second` go by Messages."""
    bulk = replace(lane or LaneSettings(), batch=policy)
    lanes = {"standard": LaneSettings(), "second": LaneSettings(), "bulk": bulk}
    return a_config(folder, **{"lanes": lanes, "batches": settings, **changes})


def bulk(count: int, **envelope: Any) -> list[dict[str, Any]]:
    """Jobs for the lane that goes by batches."""
    return some_jobs(count, **{"lane": "bulk", **envelope})


async def later(bench: Bench, seconds: float) -> None:
    """Time passes, and the keeper of batches looks at the clock."""
    bench.clock.advance(seconds)
    await stepped(bench)


async def stepped(bench: Bench) -> None:
    """The keeper has looked at everything since now."""
    keeper = bench.parts.batches
    before = keeper.steps
    keeper.wake()
    await until(lambda: keeper.steps > before + 1 or _is_over(bench))


def _is_over(bench: Bench) -> bool:
    bench.parts.batches.wake()
    return bench.running is None or bench.running.done()


async def ended(bench: Bench, ids: Sequence[JobId], *, step_s: float = 2.0) -> list[JobRecord]:
    """The jobs, once all have ended: time passes as it must."""
    for _ in range(400):
        records = [await bench.parts.desk.job(job_id) for job_id in ids]
        if all(record.state.is_final for record in records):
            return records
        await later(bench, step_s)
    raise AssertionError([record.state for record in records])


async def records(bench: Bench) -> list[BatchRecord]:
    """Our batches, the oldest first."""

    def all_of(raw: Any) -> list[BatchRecord]:
        return batches.batches(raw, None, 1_000)

    return list(reversed(await bench.parts.shared.store.read(all_of)))


async def states(bench: Bench) -> list[str]:
    """Where our batches stand, the oldest first."""
    return [record.state.value for record in await records(bench)]


async def row(bench: Bench, number: int = 1) -> BatchRow:
    """A batch as people see it."""
    return (await bench.parts.desk.batches.batch(number))[0]


async def done(bench: Bench, *, step_s: float = 2.0) -> None:
    """Nothing is left to do about any batch: time passes as it must."""
    for _ in range(400):
        if all(record.done_ms is not None for record in await records(bench)):
            # What is written is told in the same step.
            await stepped(bench)
            return
        await later(bench, step_s)
    raise AssertionError(await states(bench))


def reserved_nanousd(bench: Bench, budget: str = "all") -> int:
    """What a budget's calls under way have reserved."""
    [status] = [one for one in bench.parts.shared.budgets.status() if one.budget.name == budget]
    return status.reserved_nanousd


def answers_of(store: Path) -> dict[int, int]:
    """How many attempts succeeded, by job."""
    with reading(store) as raw:
        query = "SELECT job_id, count(*) FROM attempts WHERE outcome = 'succeeded' GROUP BY job_id"
        return dict(raw.execute(query).fetchall())
