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
from claudeflow.daemon.hold_desk import StoreHoldDesk
from claudeflow.daemon.holds import KEY_EVERY_S, LOOK_EVERY_S, HoldKeeper
from claudeflow.daemon.requests import Requests
from claudeflow.daemon.shared import EventStream, Shared
from claudeflow.daemon.worker import Sender, Worker
from claudeflow.observe.tally import Tally
from claudeflow.policy.retries.holds import HoldBook
from claudeflow.store import holds as store_holds
from claudeflow.store import jobs as store_jobs
from claudeflow.store import ledger
from claudeflow.store import state as store_state
from claudeflow.store.database import Database, HandOver, as_it_is
from claudeflow.store.recovery import Recovered, recover


@dataclass(frozen=True, slots=True)
class Parts:
    """A daemon that is ready to run, over an open store. Hold the instance lock."""

    shared: Shared
    events: EventStream
    shelf: CatalogShelf
    desk: StoreDesk
    engine: Engine
    keeper: HoldKeeper
    recovered: Recovered

    def worker(self, sender: Sender) -> Worker:
        """The worker that calls through `sender`."""
        return Worker(sender, Requests(self.shared.store), self.shared, self.keeper, self.engine.remind)


@asynccontextmanager
async def parts(
    config: Config,
    clock: Clock,
    events: EventStream,
    *,
    works: bool = True,
    instance: str | None = None,
    hand_over: HandOver = as_it_is,
) -> AsyncIterator[Parts]:
    """Open the store, clean up after a dead predecessor, and build everything.

    Without `works` nobody will work on jobs: the desk answers from the store alone. `instance` names
    this process in leases (random by default); `hand_over` is for loops that count work in threads.
    Raises ConfigError, StoreError.
    """
    prices = load_prices(config.prices)
    shelf = CatalogShelf(build_catalog(config, prices))
    async with Database(Path(config.store.path), hand_over) as store:
        recovered = await store.write(partial(recover, now_ms=clock.epoch_ms()))
        memory = await store.read(store_state.recall)
        shared = Shared(instance or secrets.token_hex(8), config, prices, store, clock, events.emit)
        shared.holds = HoldBook(await store.read(store_holds.holds), clock.epoch_ms())
        shared.estimator.recall(memory.get("estimates", []))
        engine = Engine(shared, memory)
        engine.expect(await store.read(store_jobs.due_flows))
        floor = engine if works else IdleFloor()
        keeper = HoldKeeper(shared, floor)
        engine.upkeep.also(LOOK_EVERY_S, keeper.end_what_is_over)
        engine.upkeep.also(KEY_EVERY_S, keeper.look_for_a_key)
        tally, spent = Tally(), await store.read(ledger.spend)
        desk = StoreDesk(shared, shelf, floor, StoreHoldDesk(shared, keeper, shelf), tally, spent=spent)
        for listener in (tally.apply, desk.apply, engine.apply):
            events.listen(listener)
        yield Parts(shared, events, shelf, desk, engine, keeper, recovered)
