"""Wiring: the one place where the daemon's parts are built and handed to each other."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from claudeflow.config import Config, load_prices
from claudeflow.daemon.catalog import CatalogShelf, build_catalog
from claudeflow.daemon.clock import Clock
from claudeflow.daemon.desk import StoreDesk
from claudeflow.daemon.engine import Engine, IdleFloor
from claudeflow.daemon.requests import Requests
from claudeflow.daemon.shared import EventStream, Shared
from claudeflow.daemon.worker import Sender, Worker
from claudeflow.observe.tally import Tally
from claudeflow.policy.holds import HoldBook
from claudeflow.store import jobs as store_jobs
from claudeflow.store import ledger
from claudeflow.store import state as store_state
from claudeflow.store.database import Database
from claudeflow.store.recovery import Recovered, recover


@dataclass(frozen=True, slots=True)
class Parts:
    """A daemon that is ready to run, over an open store. Hold the instance lock."""

    shared: Shared
    events: EventStream
    shelf: CatalogShelf
    desk: StoreDesk
    engine: Engine
    recovered: Recovered

    def worker(self, sender: Sender) -> Worker:
        """The worker that calls through `sender`."""
        return Worker(sender, Requests(self.shared.store), self.shared, self.engine.remind)


@asynccontextmanager
async def parts(
    config: Config, clock: Clock, events: EventStream, *, works: bool = True
) -> AsyncIterator[Parts]:
    """Open the store, clean up after a dead predecessor, and build everything.

    Without `works` nobody will work on jobs: the desk answers from the store alone.
    Raises ConfigError, StoreError.
    """
    prices = load_prices(config.prices)
    shelf = CatalogShelf(build_catalog(config, prices))
    async with Database(Path(config.store.path)) as store:
        recovered = await store.write(partial(recover, now_ms=clock.epoch_ms()))
        memory = await store.read(store_state.recall)
        shared = Shared(secrets.token_hex(8), config, prices, store, clock, events.emit)
        shared.holds = HoldBook(await store.read(store_state.holds), probe_at_ms=clock.epoch_ms())
        shared.estimator.recall(memory.get("estimates", []))
        engine = Engine(shared, memory)
        engine.expect(await store.read(store_jobs.due_flows))
        tally = Tally()
        desk = StoreDesk(
            shared, shelf, engine if works else IdleFloor(), tally, await store.read(ledger.spend)
        )
        for listener in (tally.apply, desk.apply):
            events.listen(listener)
        yield Parts(shared, events, shelf, desk, engine, recovered)
