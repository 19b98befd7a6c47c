"""What every part of the running daemon shares: the store, time, the event stream, what was learned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from claudeflow.config import Config
from claudeflow.daemon.batches.completion import Completion
from claudeflow.daemon.budgets.keeper import BudgetKeeper
from claudeflow.daemon.clock import Clock
from claudeflow.daemon.dropin.attendance import Attendance
from claudeflow.domain.events import Emit, Event, JobFinished
from claudeflow.domain.job import Candidate, JobError, JobState
from claudeflow.policy.batching.hits import HitBook
from claudeflow.policy.caching.book import PrefixBook
from claudeflow.policy.caching.watch import CacheWatch
from claudeflow.policy.limits.estimate import Estimator
from claudeflow.policy.money.fallback import FallbackBook
from claudeflow.policy.money.pricing import PriceTable
from claudeflow.policy.retries.holds import HoldBook
from claudeflow.store.database import Database

if TYPE_CHECKING:
    from claudeflow.daemon.packs.packs import Packs


class EventStream:
    """Everything that happens, told to every listener in turn."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[Event], None]] = []

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Tell `listener` of everything from now on."""
        self._listeners.append(listener)

    def emit(self, event: Event) -> None:
        """Tell everybody."""
        for listener in self._listeners:
            listener(event)


def finished_unsent(candidate: Candidate, state: JobState, error: JobError, now_ms: int) -> JobFinished:
    """A job ended while it waited: without a call."""
    age_s = (now_ms - candidate.submitted_ms) / 1000
    return JobFinished(
        candidate.id,
        candidate.lane,
        candidate.workflow,
        state,
        error,
        age_s,
        age_s,
        candidate.submitted_by,
    )


@dataclass(slots=True)
class BatchLessons:
    """What was learned of Message Batches: how long they take, and how well they cache."""

    completion: Completion
    hits: HitBook = field(default_factory=HitBook)


@dataclass(slots=True)
class Shared:
    """One per daemon. `instance` is a random id that owns this process's leases."""

    instance: str
    config: Config
    prices: PriceTable
    store: Database
    clock: Clock
    emit: Emit
    estimator: Estimator = field(default_factory=Estimator)
    prefixes: PrefixBook = field(default_factory=PrefixBook)
    holds: HoldBook = field(default_factory=HoldBook)
    watch: CacheWatch = field(default_factory=CacheWatch)
    fallbacks: FallbackBook = field(default_factory=FallbackBook)
    batches: BatchLessons = field(init=False)
    packs: Packs | None = None
    attendance: Attendance = field(default_factory=Attendance)
    budgets: BudgetKeeper = field(init=False)

    def __post_init__(self) -> None:
        self.batches = BatchLessons(Completion(self.clock))
        self.budgets = BudgetKeeper(self)
