"""Trial: one scenario under one configuration with one seed, from its files to its result."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from claudeflow import __version__
from claudeflow.config import load_prices
from claudeflow.domain.events import Event
from claudeflow.domain.job import JobId
from claudeflow.domain.report import Status
from claudeflow.simulation.arrivals import arrivals
from claudeflow.simulation.draws import our_pool_names
from claudeflow.simulation.event_log import EventLog
from claudeflow.simulation.measures import Recorder
from claudeflow.simulation.result import About, Episode, EpisodeKind, Result
from claudeflow.simulation.run import Stage, simulate
from claudeflow.simulation.scenario import Scenario, load_scenario
from claudeflow.twin.changes import Change
from claudeflow.twin.consumers import Consumer
from claudeflow.twin.faults import Fault
from claudeflow.twin.meters import Meters
from claudeflow.twin.settings import TwinSettings
from claudeflow.twin.stats import Stats

EVERY_CALL = (1, math.inf)


@dataclass(frozen=True, slots=True)
class Trial:
    """What to simulate. `label` tells it from others; None keeps what the scenario says.

    `tier` replaces the API's limits, explicit ones too.
    """

    scenario: Path
    label: str
    config: Path | None = None
    tier: str | None = None
    seed: int | None = None
    until_s: float | None = None

    def load(self) -> Scenario:
        """The scenario as this trial wants it. Raises ConfigError."""
        scenario = load_scenario(self.scenario, self.config)
        if self.seed is not None:
            scenario = replace(scenario, seed=self.seed, twin=replace(scenario.twin, seed=self.seed))
        if self.tier is not None:
            twin = replace(scenario.twin, tier=self.tier, rpm=None, itpm=None, otpm=None)
            scenario = replace(scenario, twin=twin)
        if self.until_s is not None:
            scenario = replace(scenario, duration_s=min(self.until_s, scenario.duration_s))
        return scenario


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a trial is: virtual seconds, and jobs that have ended."""

    at_s: float
    duration_s: float
    start_ms: int
    jobs_ended: int


def run_trial(trial: Trial, tell: Callable[[Progress], None], events: Path | None = None) -> Result:
    """Simulate; `tell` may raise KeyboardInterrupt to stop, the result is then incomplete.

    With `events`, that file gets every event as a line. Raises ConfigError, OSError.
    """
    scenario = trial.load()
    stage = Stage(
        config=scenario.config,
        twin=scenario.twin,
        arrivals=arrivals(scenario),
        epoch_s=scenario.starts.timestamp(),
        duration_s=scenario.duration_s,
        seed=scenario.seed,
        prompts=scenario.prompts,
    )
    names = our_pool_names(load_prices(scenario.config.prices))
    recorder = Recorder(about(scenario, trial.label), tuple(scripted(scenario.twin)), names)
    with ExitStack() as stack:
        log = EventLog(stack.enter_context(events.open("wb"))) if events else None
        try:
            simulate(stage, _Watcher(recorder, log, tell), recorder.every_s)
        except KeyboardInterrupt:
            return recorder.result()
    return recorder.result()


def about(scenario: Scenario, label: str) -> About:
    """What a result says about where it comes from."""
    return About(
        scenario=scenario.name,
        title=scenario.description,
        config=label,
        seed=scenario.seed,
        start_ms=round(scenario.starts.timestamp() * 1000),
        time_zone=scenario.zone.key,
        duration_s=scenario.duration_s,
        version=__version__,
    )


def scripted(twin: TwinSettings) -> Iterator[Episode]:
    """What the scenario lets happen: faults, other users, changes of the limits."""
    for fault in twin.faults:
        yield _episode(EpisodeKind.FAULT, _fault_words(fault), fault.from_s, fault.until_s)
    for consumer in twin.consumers:
        yield _episode(EpisodeKind.OTHERS, _consumer_words(consumer), consumer.from_s, consumer.until_s)
    for change in twin.changes:
        yield _episode(EpisodeKind.CHANGE, _change_words(change), change.at_s, change.at_s)


def _episode(kind: EpisodeKind, what: str, from_s: float, until_s: float) -> Episode:
    return Episode(kind, "", what, from_s, None if math.isinf(until_s) else until_s)


def _fault_words(fault: Fault) -> str:
    words = [fault.kind]
    if fault.share < 1.0:
        words.append(f"for {fault.share:.0%} of calls")
    if fault.calls != EVERY_CALL:
        words.append("calls {:.0f} to {:.0f}".format(*fault.calls))
    if fault.model is not None:
        words.append(f"on {fault.model}")
    return " ".join(words)


def _consumer_words(consumer: Consumer) -> str:
    where = consumer.model or consumer.pool or "every pool"
    return f"another user of the organisation draws on {where}"


def _change_words(change: Change) -> str:
    where = change.model or change.pool or "every pool"
    if change.tier is not None:
        return f"{where}: limits of the tier {change.tier}"
    if change.factor is not None:
        return f"{where}: limits times {change.factor:g}"
    return f"{where}: other limits"


@dataclass(frozen=True, slots=True)
class _Watcher:
    """Shows a run to everybody who wants to see it."""

    recorder: Recorder
    log: EventLog | None
    tell: Callable[[Progress], None]

    def begin(self, now_s: Callable[[], float]) -> None:
        self.recorder.begin(now_s)
        if self.log is not None:
            self.log.begin(now_s)

    def apply(self, event: Event) -> None:
        self.recorder.apply(event)
        if self.log is not None:
            self.log.apply(event)

    def sample(self, at_s: float, status: Status, meters: Meters) -> None:
        self.recorder.sample(at_s, status, meters)
        about = self.recorder.about
        self.tell(Progress(at_s, about.duration_s, about.start_ms, self.recorder.jobs_ended))

    def expected(self, job_id: JobId, goes_at_s: float) -> None:
        self.recorder.expected(job_id, goes_at_s)

    def end(self, at_s: float, stats: Stats) -> None:
        self.recorder.end(at_s, stats)
