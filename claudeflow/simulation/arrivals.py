"""Arrivals: which jobs a scenario's producers submit, and when. The same scenario always gives the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import merge
from itertools import takewhile
from operator import attrgetter
from random import Random

from claudeflow.simulation.jobs import Job, JobMaker
from claudeflow.simulation.scenario import Scenario
from claudeflow.simulation.traces import Trace, TraceRow
from claudeflow.simulation.when import Period
from claudeflow.simulation.workflow import Burst, Replay, Workflow

_STEP_S = 60.0
_by_time = attrgetter("at_s")


@dataclass(frozen=True, slots=True)
class Arrival:
    """One job in the form that `POST /v1/jobs` takes, `at_s` seconds after the start."""

    at_s: float
    job: Job


@dataclass(frozen=True, slots=True)
class _Due:
    """A moment at which a job comes, with the row of the trace that brings it."""

    at_s: float
    row: TraceRow | None = None


def arrivals(scenario: Scenario) -> Iterator[Arrival]:
    """Every job of the scenario in order of time."""
    return merge(*(_of_workflow(workflow, scenario) for workflow in scenario.workflows), key=_by_time)


def _of_workflow(workflow: Workflow, scenario: Scenario) -> Iterator[Arrival]:
    maker = JobMaker(workflow, scenario.seed)
    dues = merge(*_streams(workflow, scenario), key=_by_time)
    for due in takewhile(lambda due: due.at_s < scenario.duration_s, dues):
        yield Arrival(due.at_s, maker.make(due.row))


def _streams(workflow: Workflow, scenario: Scenario) -> Iterator[Iterator[_Due]]:
    settings = workflow.settings
    yield iter([_Due(0.0)] * settings.backlog)
    if settings.rates.any:
        yield _by_rates(workflow, scenario)
    for number, burst in enumerate(settings.burst):
        chance = _chance(scenario, workflow, f"burst {number}")
        yield _bursts(burst, scenario.period, chance)
    if settings.trace and workflow.trace:
        yield _replayed(settings.trace, workflow.trace)


def _by_rates(workflow: Workflow, scenario: Scenario) -> Iterator[_Due]:
    """A Poisson process whose rate may change from minute to minute."""
    chance, rates, period = _chance(scenario, workflow, "rates"), workflow.settings.rates, scenario.period
    wanted = chance.expovariate(1.0)
    step_s = 0.0
    while step_s < period.duration_s:
        per_s = rates.at(period.local(step_s)) / 3_600
        at_s = step_s
        while per_s > 0 and wanted <= (step_s + _STEP_S - at_s) * per_s:
            at_s += wanted / per_s
            yield _Due(at_s)
            wanted = chance.expovariate(1.0)
        wanted -= (step_s + _STEP_S - at_s) * per_s
        step_s += _STEP_S


def _bursts(burst: Burst, period: Period, chance: Random) -> Iterator[_Due]:
    for begin_s in period.occurrences(burst.at):
        offsets = sorted(chance.random() * burst.within_s for _ in range(burst.jobs))
        yield from (_Due(begin_s + offset) for offset in offsets)


def _replayed(replay: Replay, trace: Trace) -> Iterator[_Due]:
    for repetition in range(replay.repeat):
        start_s = replay.after + repetition * trace.span_s / replay.speed
        yield from (_Due(start_s + row.at_s / replay.speed, row) for row in trace.rows)


def _chance(scenario: Scenario, workflow: Workflow, what: str) -> Random:
    return Random(f"{scenario.seed}/{workflow.name}/{what}")  # noqa: S311 - repeatable on purpose
