"""The watchdog: it barks at a dead writer, not at a full disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from claudeflow.daemon.garbage import GarbageKeeper
from claudeflow.daemon.notify import Notifier
from claudeflow.daemon.watchdog import Watchdog
from claudeflow.domain.events import HoldSet, PoolGated
from claudeflow.twin.faults import Fault
from tests.support.clocks import WoundClock
from tests.support.daemons import Bench, a_job, a_twin, opened, running
from tests.support.processes import NotifySocket, short_folder
from tests.support.stuck import full_disk, stuck_writer

EVERY_S = 0.02


@asynccontextmanager
async def watched(bench: Bench) -> AsyncIterator[NotifySocket]:
    """The service manager's ear while a watchdog looks after the bench."""
    with short_folder() as folder:
        ear = NotifySocket(folder / "notify")
        watchdog = Watchdog(Notifier(str(ear.path), EVERY_S), bench.parts, GarbageKeeper(lambda: False, 0.0))
        watching = asyncio.create_task(watchdog.run())
        try:
            yield ear
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            ear.close()


async def heard(ear: NotifySocket, text: str) -> str:
    return await asyncio.to_thread(ear.wait_for, text)


async def test_a_healthy_daemon_feeds_the_watchdog_and_tells_how_it_stands(tmp_path: Path) -> None:
    async with running(tmp_path) as bench, watched(bench) as ear:
        await heard(ear, "WATCHDOG=1")
        assert await heard(ear, "STATUS=") == "STATUS=running: 0 in flight"


async def test_a_full_disk_is_no_reason_to_be_restarted(tmp_path: Path) -> None:
    async with running(tmp_path) as bench, full_disk(bench.parts.shared.store), watched(bench) as ear:
        await heard(ear, "WATCHDOG=1")


async def test_a_writer_that_is_stuck_starves_the_watchdog(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        async with stuck_writer(bench.parts.shared.store), watched(bench) as ear:
            await asyncio.sleep(10 * EVERY_S)
            ear.forget()
            assert ear.messages == []
        async with watched(bench) as ear:
            await heard(ear, "WATCHDOG=1")


async def test_the_status_names_pauses_and_holds(tmp_path: Path) -> None:
    clock = WoundClock()
    faults = (Fault("rate_429", calls=(1, 1), retry_after_s=60), Fault("auth_401", calls=(2, 2)))
    async with running(tmp_path, a_twin(clock, faults=faults), clock=clock) as bench, watched(bench) as ear:
        await bench.submit(a_job())
        await bench.recorder.wait_for(PoolGated)
        assert "paused after 429: haiku-5.5" in await heard(ear, "paused")
        await bench.submit(a_job(2, model="claude-opus-5-5"))
        await bench.recorder.wait_for(HoldSet)
        assert "1 hold" in await heard(ear, "hold")


async def test_a_daemon_that_only_starts_is_alive(tmp_path: Path) -> None:
    async with opened(tmp_path) as bench, watched(bench) as ear:
        await heard(ear, "WATCHDOG=1")
        assert "starting" in await heard(ear, "STATUS=")
