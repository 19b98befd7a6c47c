"""Wiring: the one place where the daemon's parts are built and handed to each other."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from claudeflow.config import Config, load_prices
from claudeflow.daemon.budgets.actions import BudgetActions, Floor
from claudeflow.daemon.calls.diagnostics import Diagnostics
from claudeflow.daemon.calls.holds import KEY_EVERY_S, LOOK_EVERY_S, HoldKeeper
from claudeflow.daemon.calls.prewarm import LOOK_EVERY_S as PREWARM_EVERY_S
from claudeflow.daemon.calls.prewarm import Prewarmer
from claudeflow.daemon.calls.requests import Requests
from claudeflow.daemon.calls.warming import Warming
from claudeflow.daemon.calls.worker import Sender, Worker
from claudeflow.daemon.catalog import CatalogShelf, build_catalog
from claudeflow.daemon.clock import Clock
from claudeflow.daemon.desks.budgets import StoreBudgetDesk
from claudeflow.daemon.desks.desk import StoreDesk
from claudeflow.daemon.desks.holds import StoreHoldDesk
from claudeflow.daemon.engine import Engine, IdleFloor
from claudeflow.daemon.reconcile import LOOK_EVERY_S as RECONCILE_LOOK_EVERY_S
from claudeflow.daemon.shared import EventStream, Shared
from claudeflow.observe.caching import CacheWatcher
from claudeflow.observe.tally import Tally
from claudeflow.policy.money.scopes import last_month_ms
from claudeflow.policy.retries.holds import HoldBook
from claudeflow.store import budget_changes, ledger
from claudeflow.store import caching as store_caching
from claudeflow.store import holds as store_holds
from claudeflow.store import jobs as store_jobs
from claudeflow.store import state as store_state
from claudeflow.store.database import Database, HandOver, as_it_is
from claudeflow.store.recovery import Recovered, recover

READINGS_AT_START = 10_000
"""From so many of the last calls the cached shares are known at once."""


@dataclass(frozen=True, slots=True)
class Parts:
    """A daemon that is ready to run, over an open store. Hold the instance lock."""

    shared: Shared
    events: EventStream
    shelf: CatalogShelf
    desk: StoreDesk
    engine: Engine
    keeper: HoldKeeper
    actions: BudgetActions
    diagnostics: Diagnostics
    prewarmer: Prewarmer
    recovered: Recovered

    def worker(self, sender: Sender) -> Worker:
        """The worker that calls through `sender`."""
        requests = Requests(self.shared.store)
        self.prewarmer.use(Warming(self.shared, sender, requests, self.keeper))
        remind = self.engine.remind
        return Worker(sender, requests, self.shared, self.keeper, remind, diagnostics=self.diagnostics)


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
        shared.prefixes.settings = config.cache
        shared.prefixes.recall(memory.get("prefixes"))
        await _take_up_budgets(shared)
        engine = Engine(shared, memory)
        engine.expect(await store.read(store_jobs.due_flows))
        floor = engine if works else IdleFloor()
        keeper = HoldKeeper(shared, floor)
        engine.upkeep.also(LOOK_EVERY_S, keeper.end_what_is_over, keeper.needed)
        engine.upkeep.also(KEY_EVERY_S, keeper.look_for_a_key, keeper.needed)
        actions = await _take_up_actions(shared, floor, keeper)
        engine.upkeep.also(0.0, actions.look_and_rest, actions.needed)
        tally, spent = Tally(), await store.read(ledger.spend)
        holds, budgets = StoreHoldDesk(shared, keeper, shelf), StoreBudgetDesk(shared, actions)
        desk = StoreDesk(shared, shelf, floor, holds, budgets, tally=tally, spent=spent)
        engine.upkeep.also(RECONCILE_LOOK_EVERY_S, desk.reconciliation.look, desk.reconciliation.needed)
        await _fill_watch(shared)
        diagnostics = Diagnostics(shared)
        watcher = CacheWatcher(shared.watch, clock.epoch_ms, events.emit)
        for listener in (tally, desk, engine, keeper, watcher, diagnostics, actions):
            events.listen(listener.apply)
        prewarmer = Prewarmer(shared, engine)
        engine.upkeep.also(PREWARM_EVERY_S, prewarmer.look, prewarmer.needed)
        events.listen(prewarmer.apply)
        yield Parts(shared, events, shelf, desk, engine, keeper, actions, diagnostics, prewarmer, recovered)


async def _take_up_budgets(shared: Shared) -> None:
    """What was spent before, and the limits that people set."""
    since_ms = last_month_ms(shared.clock.epoch_ms())
    spent = await shared.store.read(partial(ledger.spent_by_day, since_ms=since_ms))
    changes = await shared.store.read(partial(budget_changes.in_force, since_ms=since_ms))
    shared.budgets.begin(spent, changes)


async def _take_up_actions(shared: Shared, floor: Floor, keeper: HoldKeeper) -> BudgetActions:
    """What thresholds did before."""
    actions = BudgetActions(shared, floor)
    await actions.begin()
    keeper.use_budgets(actions.let_go)
    return actions


async def _fill_watch(shared: Shared) -> None:
    """The cached shares as the last calls in the books show them."""
    work = partial(store_caching.recent_readings, limit=READINGS_AT_START)
    for reading in await shared.store.read(work):
        shared.watch.note(reading)
