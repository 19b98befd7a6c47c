"""What a daemon was told to wait for, its successor waits for."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

from claudeflow.store import state as store_state
from claudeflow.twin.faults import Fault
from tests.support.daemons import some_jobs
from tests.support.virtual import a_virtual_twin, in_virtual_time, living, now_s

RETRY_AFTER_S = 600


def test_a_restart_does_not_end_the_pause_after_a_429(tmp_path: Path) -> None:
    async def scene() -> None:
        twin = a_virtual_twin(faults=(Fault("rate_429", calls=(1, 1), retry_after_s=RETRY_AFTER_S),))
        async with living(tmp_path, twin) as bench:
            await bench.submit(*some_jobs(20))
            await asyncio.sleep(60)
            before = len(bench.door.came_s)
        told_s = 0.0
        async with living(tmp_path, twin) as bench:
            await asyncio.sleep(RETRY_AFTER_S * 1.3)
            came_s = bench.door.came_s
        assert before < 20
        assert len(came_s) >= 20 - before
        assert came_s[0] >= told_s + RETRY_AFTER_S
        assert twin.stats().early_calls == 0

    in_virtual_time(scene)


def test_a_closed_gate_is_on_the_disk_before_the_next_regular_saving(tmp_path: Path) -> None:
    async def scene() -> None:
        twin = a_virtual_twin(faults=(Fault("rate_429", calls=(1, 1), retry_after_s=RETRY_AFTER_S),))
        async with living(tmp_path, twin) as bench:
            await bench.submit(*some_jobs(1))
            await asyncio.sleep(0.5)
            kept = await bench.parts.shared.store.read(partial(store_state.recall))
            closed_ms = kept["pool:haiku-5.5"]["closed_until_ms"] - bench.clock.epoch_ms()
            assert closed_ms >= (RETRY_AFTER_S - now_s() - 1) * 1_000

    in_virtual_time(scene)
