"""Watchdog: feeds systemd's only while loop, writer and gates are alive, and keeps its status line."""

from __future__ import annotations

import asyncio

from claudeflow.daemon.garbage import GarbageKeeper
from claudeflow.daemon.notify import Notifier
from claudeflow.daemon.wiring import Parts
from claudeflow.domain.errors import StoreError
from claudeflow.domain.events import OwnTrouble
from claudeflow.domain.words import plural

STATUS_EVERY_S = 10.0
WRITER_PATIENCE_S = 5.0


class Watchdog:
    """Looks after the daemon from within. That it runs at all shows that the loop is alive."""

    def __init__(self, notifier: Notifier, built: Parts, garbage: GarbageKeeper) -> None:
        self._garbage = garbage
        self._notifier = notifier
        self._built = built

    async def run(self) -> None:
        """Look, and report, until cancelled."""
        period_s = min(self._notifier.watchdog_interval_s or STATUS_EVERY_S, STATUS_EVERY_S)
        while True:
            if await self._all_is_well():
                self._notifier.watchdog()
            self._notifier.status(self._status())
            self._garbage.tidy(self._built.shared.clock.monotonic())
            await asyncio.sleep(period_s)

    async def _all_is_well(self) -> bool:
        gates_alive = self._built.engine.gates_are_alive
        return gates_alive and await self._writer_answers()

    async def _writer_answers(self) -> bool:
        """A full disk is no reason to be killed: only a writer that does not answer is."""
        try:
            async with asyncio.timeout(WRITER_PATIENCE_S):
                await self._built.shared.store.ping()
        except StoreError:
            return self._built.shared.store.writer_is_alive
        except TimeoutError:
            self._built.events.emit(OwnTrouble("watchdog", "the store's writer does not answer"))
            return False
        return True

    def _status(self) -> str:
        pools = self._built.engine.pools()
        flying = sum(pool.in_flight for pool in pools)
        gated = [pool.pool for pool in pools if pool.gate_closed_for_s]
        shared = self._built.shared
        held = len(shared.holds.in_force(shared.clock.epoch_ms()))
        notes = [f"{flying} in flight"]
        notes += [f"paused after 429: {', '.join(gated)}"] if gated else []
        notes += [plural(held, "hold")] if held else []
        return f"{self._built.engine.phase}: {'; '.join(notes)}"
