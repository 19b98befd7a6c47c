"""Trouble over one job, in judging it or in claiming it, stops no other job and not the daemon."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from claudeflow.domain.events import OwnTrouble
from claudeflow.domain.job import JobState
from claudeflow.policy.money.pricing import ModelInfo, PriceTable
from tests.support.daemons import a_job, some_jobs
from tests.support.virtual import VirtualBench, in_virtual_time, living

BROKEN = "claude-sonnet-5-5"


class BrokenPrices(PriceTable):
    """A price list with a fault at one model."""

    def find(self, model: str) -> ModelInfo:
        if model == BROKEN:
            raise ZeroDivisionError("a fault")
        return super().find(model)


@contextmanager
def no_calls_for(store: Path, workflow: str) -> Iterator[None]:
    """The store refuses every claim of a workflow's jobs."""
    with closing(sqlite3.connect(store, timeout=20, isolation_level=None)) as raw:
        raw.execute(
            f"CREATE TRIGGER refuse BEFORE INSERT ON calls WHEN NEW.workflow = '{workflow}' "
            "BEGIN SELECT RAISE(ABORT, 'a fault'); END"
        )
        yield
        raw.execute("DROP TRIGGER refuse")


def troubles(bench: VirtualBench) -> set[str]:
    return {f"{event.where}: {event.problem}" for event in bench.recorder.of(OwnTrouble)}


def test_a_job_that_cannot_be_judged_is_set_aside_and_goes_when_it_can_be(tmp_path: Path) -> None:
    async def scene() -> None:
        async with living(tmp_path) as bench:
            shared = bench.parts.shared
            sound = shared.prices
            shared.prices = BrokenPrices(sound.models.values())
            bad = await bench.submit(*(a_job(number, model=BROKEN) for number in range(3)))
            good = await bench.submit(*some_jobs(40))
            await asyncio.sleep(30)
            assert await bench.states(good) == {JobState.SUCCEEDED}
            assert await bench.states(bad) == {JobState.QUEUED}
            assert troubles(bench) == {f"choosing job {one}: ZeroDivisionError: a fault" for one in bad}
            shared.prices = sound
            await asyncio.sleep(60)
            assert await bench.states(bad) == {JobState.SUCCEEDED}

    in_virtual_time(scene)


def test_a_job_that_cannot_be_claimed_keeps_no_other_from_being_claimed(tmp_path: Path) -> None:
    async def scene() -> None:
        async with living(tmp_path) as bench:
            with no_calls_for(tmp_path / "store.db", "broken"):
                jobs = [*some_jobs(20, workflow="sound"), *some_jobs(2, workflow="broken")]
                ids = await bench.submit(*jobs)
                await asyncio.sleep(30)
                assert await bench.states(ids[:20]) == {JobState.SUCCEEDED}
                assert await bench.states(ids[20:]) == {JobState.QUEUED}
                assert all(one.startswith("choosing job ") for one in troubles(bench))
                assert len(bench.recorder.of(OwnTrouble)) == 2
            await asyncio.sleep(60)
            assert await bench.states(ids) == {JobState.SUCCEEDED}
            assert {one.attempts for one in await bench.records(ids)} == {1}

    in_virtual_time(scene)
