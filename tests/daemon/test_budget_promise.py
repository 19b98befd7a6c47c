"""A hard budget holds: 1,000 jobs at once against a cap with room for about a hundred, whatever happens."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from claudeflow.claude.client import ClaudeClient
from claudeflow.config import Config
from claudeflow.daemon.shared import EventStream
from claudeflow.daemon.wiring import Parts, parts
from claudeflow.domain.events import CallEnded, Event, JobFinished, OwnTrouble
from claudeflow.domain.job import JobId, JobState
from claudeflow.intake.desks.desk import JobFilter
from claudeflow.intake.wire import parse_job
from claudeflow.policy.lanes.settings import LaneSettings
from claudeflow.policy.money.budget import BudgetStatus
from claudeflow.policy.money.settings import BudgetSettings
from claudeflow.simulation.clock import SimulatedClock
from claudeflow.simulation.timeline import VirtualTimeLoop
from claudeflow.twin.engine import Twin
from claudeflow.twin.faults import Fault
from claudeflow.twin.transport import TwinTransport
from tests.support.books import calls_of, disagreements, states_of
from tests.support.daemons import a_config
from tests.support.virtual import a_virtual_twin, in_virtual_time

JOBS = 1_000
RUNNING = JobFilter(state=JobState.RUNNING)
EPOCH_S = 1_795_429_020.0
"""A Monday in November 2026."""
SEEDS = [seed if seed < 3 else pytest.param(seed, marks=pytest.mark.chaos) for seed in range(100)]
SYSTEM = "You sort tickets by product, urgency and team. " * 60
MODELS = ("claude-haiku-5-5", "claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5")
KILLS = 3
QUIET_S = 90.0
"""Longer than any fault, any wait for a retry and any call."""

CAP_USD = 0.5
BUDGETS = {
    "team": BudgetSettings(CAP_USD),
    "bulk": BudgetSettings(0.5 * CAP_USD, scope="lane:bulk", period="day"),
    "vendors": BudgetSettings(0.2 * CAP_USD, scope="workflow:vendors"),
}


def faults(chance: random.Random) -> tuple[Fault, ...]:
    """Some of everything that can go wrong, in shares of this seed's own."""
    kinds = ("rate_429", "overloaded_529", "error_500", "conn_reset", "truncate", "reset_mid_stream",
             "stream_error", "refusal")  # fmt: skip
    return tuple(Fault(kind, share=chance.uniform(0.0, 0.04), retry_after_s=1) for kind in kinds)


def a_job(number: int, chance: random.Random) -> dict[str, Any]:
    """Jobs of all sizes, for several models, lanes and workflows; some share a prefix."""
    text = f"Ticket {number}: the VPN drops every morning. " * chance.choice([1, 1, 5, 40])
    request: dict[str, Any] = {
        "model": chance.choice(MODELS),
        "max_tokens": chance.choice([60, 60, 200, 400]),
        "messages": [{"role": "user", "content": text}],
    }
    if chance.random() < 0.5:
        request["system"] = SYSTEM
    return {
        "request": request,
        "lane": chance.choice(["standard", "bulk"]),
        "workflow": chance.choice(["triage", "review", "vendors"]),
    }


def a_budgeted_config(folder: Path, chance: random.Random) -> Config:
    """A crash makes the whole reservation of what is in flight unknown: the bound on it differs by seed."""
    config = a_config(folder, budgets=BUDGETS)
    lane = LaneSettings(max_in_flight=chance.choice([2, 8, 32, 0]))
    retry = replace(config.retry, base_s=0.5, cap_s=5.0)
    return replace(config, retry=retry, lanes={"standard": lane, "bulk": lane})


@dataclass
class Life:
    """One daemon's life over a store: until it is quiet, or killed at a random one of its events."""

    config: Config
    twin: Twin
    clock: SimulatedClock
    chance: random.Random
    kill_after_events: int | None
    troubles: list[str] = field(default_factory=list)
    events: int = 0
    last_call_s: float = 0.0
    task: asyncio.Task[None] | None = None

    def apply(self, event: Event) -> None:
        if isinstance(event, OwnTrouble):
            self.troubles.append(f"{event.where}: {event.problem}")
        if isinstance(event, CallEnded | JobFinished):
            self.events += 1
            self.last_call_s = self.clock.monotonic()
            if self.events == self.kill_after_events and self.task is not None:
                self.task.cancel()

    async def live(self, new: Sequence[dict[str, Any]]) -> tuple[BudgetStatus, ...]:
        """Hand in jobs, work, and die or rest; what the budgets say at the end."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        events = EventStream()
        events.listen(self.apply)
        async with parts(
            self.config, self.clock, events, instance="bench", hand_over=loop.hand_over
        ) as built:
            ids = await self._submit(built, new)
            http = httpx2.AsyncClient(transport=TwinTransport(self.twin), timeout=None, trust_env=False)
            worker = built.worker(ClaudeClient(self.config.api, "k", http_client=http))
            stop, hurry = asyncio.Event(), asyncio.Event()
            self.task = asyncio.create_task(built.engine.run(worker, stop, hurry))
            meddling = asyncio.create_task(self._meddle(built, ids))
            try:
                await self._until_quiet(self.task)
                return built.shared.budgets.status()
            finally:
                meddling.cancel()
                stop.set()
                hurry.set()
                with suppress(asyncio.CancelledError):
                    await self.task

    async def _submit(self, built: Parts, new: Sequence[dict[str, Any]]) -> list[JobId]:
        now_ms, catalog = self.clock.epoch_ms(), built.desk.catalog
        jobs = [
            parse_job(json.dumps(job).encode(), catalog, now_ms=now_ms, submitted_by="test") for job in new
        ]
        return [found.id for found in await built.desk.submit(jobs)]

    async def _meddle(self, built: Parts, ids: Sequence[JobId]) -> None:
        """Cancel a job now and then, most of them while they run."""
        while ids:
            await asyncio.sleep(self.chance.uniform(0.2, 6.0))
            running = await built.desk.list_jobs(RUNNING)
            chosen = self.chance.choice(running).id if running else self.chance.choice(ids)
            with suppress(Exception):
                await built.desk.cancel(chosen)

    async def _until_quiet(self, task: asyncio.Task[None]) -> None:
        while (left_s := self.last_call_s + QUIET_S - self.clock.monotonic()) > 0 and not task.done():
            await asyncio.wait([task], timeout=left_s)


@dataclass
class Outcome:
    """What a whole story came to, in nano-dollars."""

    billed: int
    settled: int
    unknown_at_worst: int
    calls: Counter[str]
    states: dict[str, int]


async def the_story(folder: Path, seed: int) -> Outcome:
    """Three daemons are killed one after the other, the fourth comes to rest."""
    chance = random.Random(seed)
    config = a_budgeted_config(folder, chance)
    clock = SimulatedClock(EPOCH_S, seed)
    twin = a_virtual_twin(
        "2026-11-23T10:17:00",
        seed=seed,
        faults=faults(chance),
        reply_tokens=50,
        ttft_s=0.3,
        tokens_per_s=50.0,
    )
    new = [a_job(number, chance) for number in range(1, JOBS + 1)]
    for life_number in range(KILLS + 1):
        dies = chance.randrange(1, 60) if life_number < KILLS else None
        life = Life(config, twin, clock, chance, dies, last_call_s=clock.monotonic())
        status = await life.live(new)
        assert life.troubles == []
        new = []
    assert [one.state for one in status if one.budget.name == "team"] == ["held"]
    assert all(one.reserved_nanousd == one.in_flight == 0 <= one.left_nanousd for one in status)
    store = Path(config.store.path)
    invoice = {line.request_id: line.cost_nanousd for line in twin.invoice().lines}
    assert disagreements(store, invoice) == []
    calls = calls_of(store)
    return Outcome(
        sum(invoice.values()),
        sum(call.cost_nanousd or 0 for call in calls),
        sum(call.reserved_nanousd for call in calls if call.state == "unknown"),
        Counter(call.state for call in calls),
        states_of(store),
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_no_budget_is_ever_exceeded(tmp_path: Path, seed: int, record_property: Any) -> None:
    async def scene() -> None:
        outcome = await the_story(tmp_path, seed)
        cap = round(CAP_USD * 1e9)
        assert outcome.billed <= cap
        assert outcome.settled + outcome.unknown_at_worst <= cap
        assert outcome.calls["open"] == 0
        assert outcome.states["queued"] > 0
        at_worst = (outcome.settled + outcome.unknown_at_worst) / cap
        for name, value in (("used", at_worst), ("billed", outcome.billed / cap), ("calls", outcome.calls)):
            record_property(name, str(value))

    in_virtual_time(scene)
