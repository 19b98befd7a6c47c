"""Prompt caching in batches: one request writes a prefix ahead of those that read it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2

from claudeflow.domain.batch_events import BatchBooked, BatchCreated, BatchRefused
from claudeflow.domain.job import JobState
from claudeflow.policy.money.settings import BudgetSettings
from tests.support.batch_doors import BatchDoor
from tests.support.batches import (
    AT_ONCE,
    batching,
    bulk,
    done,
    ended,
    later,
    records,
    reserved_nanousd,
    stepped,
)
from tests.support.clocks import WoundClock
from tests.support.daemons import MODEL, Bench, a_twin, opened, running, until

SYSTEM = "You sort tickets by urgency and by team. " * 800
PATIENT = replace(AT_ONCE, warm_up_patience_s=600.0)


def ttls(node: Any) -> Iterator[str]:
    """The lifetimes that cache markers in a document ask for."""
    if isinstance(node, dict):
        if "cache_control" in node:
            yield node["cache_control"].get("ttl", "5m")
        for value in node.values():
            yield from ttls(value)
    elif isinstance(node, list):
        for value in node:
            yield from ttls(value)


def sizes(bench: Bench) -> list[int]:
    return [len(batch.custom_ids) for batch in bench.twin.batches()]


async def test_one_request_writes_the_prefix_for_an_hour_and_the_others_read_it(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, batch_start_s=60.0)
    config = batching(tmp_path, settings=PATIENT, budgets={"all": BudgetSettings(100.0)})
    async with opened(tmp_path, twin, clock=clock, config=config) as bench:
        door = BatchDoor(twin, clock.monotonic)
        bench.start(door)
        ids = await bench.submit(*bulk(30, system=SYSTEM))
        await bench.recorder.wait_for(BatchCreated)
        await stepped(bench)
        assert sizes(bench) == [1]
        assert "unfinished" not in (await bench.parts.desk.queue.explain(ids[5])).why
        assert {record.state for record in await ended(bench, ids, step_s=30.0)} == {JobState.SUCCEEDED}
        await done(bench)
        assert sizes(bench) == [1, 29]
        assert set(ttls(door.bodies)) == {"1h"}
        assert sum(batch.cache_writes for batch in twin.batches()) == 1
        assert sum(batch.cache_reads for batch in twin.batches()) == 29
        assert await bench.book_mistakes() == []
        assert reserved_nanousd(bench) == 0
        assert bench.parts.shared.batches.hits.of(MODEL, clock.epoch_ms()).warmed > 0.9


async def test_a_warm_prefix_is_not_written_ahead_again_even_by_the_next_daemon(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock)
    for _ in range(2):
        async with running(tmp_path, twin, clock=clock, config=batching(tmp_path, settings=PATIENT)) as bench:
            await ended(bench, await bench.submit(*bulk(12, system=SYSTEM)))
            await done(bench)
            await ended(bench, await bench.submit(*bulk(12, system=SYSTEM)))
            await done(bench)
    assert sum(batch.cache_writes for batch in twin.batches()) == 1
    assert sum(batch.cache_reads for batch in twin.batches()) == 47


async def test_the_others_wait_for_a_warm_up_that_never_ends_only_so_long_and_once(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, batch_start_s=10_000.0)
    async with running(tmp_path, twin, clock=clock, config=batching(tmp_path, settings=PATIENT)) as bench:
        await bench.submit(*bulk(20, system=SYSTEM))
        await bench.recorder.wait_for(BatchCreated)
        await later(bench, 500.0)
        assert sizes(bench) == [1]
        await later(bench, 110.0)
        await until(lambda: sizes(bench) == [1, 19])


async def test_a_daemon_that_starts_waits_for_the_warm_up_of_the_one_before(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, batch_start_s=300.0)
    config = batching(tmp_path, settings=PATIENT)
    async with running(tmp_path, twin, clock=clock, config=config) as bench:
        ids = await bench.submit(*bulk(20, system=SYSTEM))
        await bench.recorder.wait_for(BatchCreated)
    async with running(tmp_path, twin, clock=clock, config=config) as bench:
        await stepped(bench)
        assert sizes(bench) == [1]
        await ended(bench, ids, step_s=100.0)
        assert sizes(bench) == [1, 19]
        assert sum(batch.cache_writes for batch in twin.batches()) == 1


async def test_jobs_without_that_prefix_do_not_wait_for_its_warm_up(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, batch_start_s=10_000.0)
    async with running(tmp_path, twin, clock=clock, config=batching(tmp_path, settings=PATIENT)) as bench:
        await bench.submit(*bulk(20, system=SYSTEM), *bulk(3, workflow="other"))
        await until(lambda: sizes(bench) == [1, 3])


async def test_what_is_reserved_covers_writes_that_a_batch_may_have_to_pay(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, batch_cache_hit_share=0.0)
    config = batching(tmp_path, settings=PATIENT, budgets={"all": BudgetSettings(100.0)})
    async with running(tmp_path, twin, clock=clock, config=config) as bench:
        await ended(bench, await bench.submit(*bulk(12, system=SYSTEM)))
        await done(bench)
        assert await bench.book_mistakes() == []

        def dearer(raw: Any) -> int:
            query = "SELECT count(*) FROM calls WHERE cost_nanousd > reserved_nanousd"
            return int(raw.execute(query).fetchone()[0])

        assert await bench.parts.shared.store.read(dearer) == 0
        assert sum(batch.cache_writes for batch in twin.batches()) == 12


async def test_a_prefix_of_one_job_is_not_marked(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock)
    async with opened(tmp_path, twin, clock=clock, config=batching(tmp_path, settings=PATIENT)) as bench:
        door = BatchDoor(twin, clock.monotonic)
        bench.start(door)
        await ended(bench, await bench.submit(*bulk(1, system=SYSTEM)))
        assert list(ttls(door.bodies)) == []


async def test_a_warm_up_that_could_not_leave_is_not_the_end_of_the_others(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock)
    async with opened(tmp_path, twin, clock=clock, config=batching(tmp_path, settings=PATIENT)) as bench:
        door = BatchDoor(twin, clock.monotonic)
        body = {
            "type": "error",
            "error": {"type": "invalid_request_error", "message": "no"},
            "request_id": "r",
        }
        door.refuse["create"] = httpx2.Response(400, json=body)
        bench.start(door)
        ids = await bench.submit(*bulk(6, system=SYSTEM))
        await bench.recorder.wait_for(BatchRefused)
        door.refuse.clear()
        assert {record.state for record in await ended(bench, ids, step_s=60.0)} == {JobState.SUCCEEDED}
        assert twin.stats().calls >= 1
        await done(bench)
        assert len(bench.recorder.of(BatchBooked)) == len(await records(bench))
