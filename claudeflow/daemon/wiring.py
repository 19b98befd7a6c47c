"""Wiring: the one place where the daemon's parts are built and handed to each other."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from claudeflow.config import Config, load_prices
from claudeflow.daemon.access.grants import build_grants
from claudeflow.daemon.batches.keeper import BatchKeeper
from claudeflow.daemon.batches.sender import BatchSender
from claudeflow.daemon.budgets.actions import BudgetActions, Floor
from claudeflow.daemon.calls.caching import Caching
from claudeflow.daemon.calls.diagnostics import Diagnostics
from claudeflow.daemon.calls.holds import KEY_EVERY_S, LOOK_EVERY_S, HoldKeeper
from claudeflow.daemon.calls.prewarm import LOOK_EVERY_S as PREWARM_EVERY_S
from claudeflow.daemon.calls.prewarm import Prewarmer
from claudeflow.daemon.calls.recording import Recording
from claudeflow.daemon.calls.requests import Requests
from claudeflow.daemon.calls.side_calls import SideCalls
from claudeflow.daemon.calls.warming import Warming
from claudeflow.daemon.calls.worker import Sender, Worker
from claudeflow.daemon.catalog import CatalogShelf, build_catalog
from claudeflow.daemon.clock import Clock
from claudeflow.daemon.desks.access import TELL_EVERY_S, StoreAccessDesk
from claudeflow.daemon.desks.batches import StoreBatchDesk
from claudeflow.daemon.desks.budgets import StoreBudgetDesk
from claudeflow.daemon.desks.desk import SideDesks, StoreDesk
from claudeflow.daemon.desks.holds import StoreHoldDesk
from claudeflow.daemon.engine import Engine, IdleFloor
from claudeflow.daemon.packs.canary import CanaryKeeper
from claudeflow.daemon.packs.packer import Packer
from claudeflow.daemon.packs.packs import Packs
from claudeflow.daemon.packs.shapes import PackShapes
from claudeflow.daemon.reconcile import LOOK_EVERY_S as RECONCILE_LOOK_EVERY_S
from claudeflow.daemon.shared import EventStream, Shared
from claudeflow.observe.caching import CacheWatcher
from claudeflow.observe.event_log import EventLog
from claudeflow.observe.tally import Tally
from claudeflow.policy.money.scopes import last_month_ms
from claudeflow.policy.retries.holds import HoldBook
from claudeflow.store import batches as store_batches
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
class Callers:
    """Whoever calls the API, or decides about it: what a worker is made of."""

    keeper: HoldKeeper
    diagnostics: Diagnostics
    prewarmer: Prewarmer
    requests: Requests
    batches: BatchKeeper
    canaries: CanaryKeeper


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
    callers: Callers
    recovered: Recovered

    @property
    def batches(self) -> BatchKeeper:
        """Who looks after Message Batches."""
        return self.callers.batches

    def worker(self, sender: Sender, batch_sender: BatchSender | None = None) -> Worker:
        """The worker that calls through `sender`; batches go through the other."""
        shared, found, remind = self.shared, self.callers, self.engine.remind
        if batch_sender is not None:
            found.batches.use(batch_sender)
        recording = Recording(shared)
        warming = SideCalls(shared, sender, self.keeper, recording, Caching(shared, lambda _: True))
        found.prewarmer.use(Warming(shared, warming, found.requests))
        found.canaries.use(SideCalls(shared, sender, self.keeper, recording, Caching(shared)))
        packer = Packer(sender, shared, self.keeper, remind, recording=recording, canaries=found.canaries)
        self.engine.use_packer(packer)
        return Worker(sender, found.requests, shared, self.keeper, remind, diagnostics=found.diagnostics)


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
    shelf, grants = CatalogShelf(build_catalog(config, prices)), build_grants(config.access)
    async with Database(Path(config.store.path), hand_over) as store:
        recovered = await store.write(partial(recover, now_ms=clock.epoch_ms()))
        memory = await store.read(store_state.recall)
        shared = Shared(instance or secrets.token_hex(8), config, prices, store, clock, events.emit)
        await _take_up(shared, memory)
        engine = Engine(shared, memory)
        engine.expect(await store.read(store_jobs.due_flows))
        floor = engine if works else IdleFloor()
        keeper = _keep_holds(shared, floor, engine)
        canaries = _pack(shared, shelf, engine, requests := Requests(store), memory)
        batches = BatchKeeper(shared, requests, keeper, floor)
        await _take_up_batches(batches, engine, memory)
        actions = await _take_up_actions(shared, floor, keeper)
        engine.upkeep.also(0.0, actions.look_and_rest, actions.needed)
        aside = SideDesks(
            StoreHoldDesk(shared, keeper, shelf),
            StoreBudgetDesk(shared, actions),
            StoreBatchDesk(shared, batches),
            EventLog(shared.instance, clock.epoch_ms, is_over=not works),
            StoreAccessDesk(shared, grants),
        )
        engine.upkeep.also(TELL_EVERY_S, aside.access.tell_counted, aside.access.counts_refusals)
        tally, spent = Tally(), await store.read(ledger.spend)
        desk = StoreDesk(shared, shelf, floor, aside, tally=tally, spent=spent)
        engine.upkeep.also(RECONCILE_LOOK_EVERY_S, desk.reconciliation.look, desk.reconciliation.needed)
        diagnostics, prewarmer = Diagnostics(shared), Prewarmer(shared, engine)
        engine.upkeep.also(PREWARM_EVERY_S, prewarmer.look, prewarmer.needed)
        watcher = CacheWatcher(shared.watch, clock.epoch_ms, events.emit)
        for listener in (tally, desk, engine, keeper, watcher, diagnostics, actions, prewarmer, aside.events):
            events.listen(listener.apply)
        callers = Callers(keeper, diagnostics, prewarmer, requests, batches, canaries)
        yield Parts(shared, events, shelf, desk, engine, keeper, actions, callers, recovered)


def _keep_holds(shared: Shared, floor: Engine | IdleFloor, engine: Engine) -> HoldKeeper:
    keeper = HoldKeeper(shared, floor)
    engine.upkeep.also(LOOK_EVERY_S, keeper.end_what_is_over, keeper.needed)
    engine.upkeep.also(KEY_EVERY_S, keeper.look_for_a_key, keeper.needed)
    return keeper


async def _take_up(shared: Shared, memory: dict[str, Any]) -> None:
    """What earlier daemons had learned, spent and held."""
    shared.holds = HoldBook(await shared.store.read(store_holds.holds), shared.clock.epoch_ms())
    shared.estimator.recall(memory.get("estimates", []))
    shared.prefixes.settings = shared.config.cache
    shared.prefixes.recall(memory.get("prefixes"))
    shared.batches.completion.recall(memory.get("batches", []))
    shared.batches.hits.recall(memory.get("batch_hits", []))
    await _take_up_budgets(shared)
    await _fill_watch(shared)


def _pack(
    shared: Shared, shelf: CatalogShelf, engine: Engine, requests: Requests, memory: dict[str, Any]
) -> CanaryKeeper:
    """Jobs of prompts that say so share calls from now on."""
    shared.packs = Packs(shared, PackShapes(shared, requests, lambda: shelf.catalog.prompts))
    shared.packs.recall(memory.get("packs"))
    engine.upkeep.also(0.0, shared.packs.shapes.load, shared.packs.shapes.needed)
    canaries = CanaryKeeper(shared, requests, engine.gate)
    engine.upkeep.also(0.0, canaries.look, canaries.needed)
    return canaries


async def _take_up_batches(batches: BatchKeeper, engine: Engine, memory: dict[str, Any]) -> None:
    """What is under way costs what it reserved, and pauses go on."""
    batches.recall(memory.get("batch_pause"))
    batches.on_pause(engine.upkeep.save_soon)
    batches.money.take_up(await batches.shared.store.read(store_batches.open_spend))
    engine.batches = batches


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
