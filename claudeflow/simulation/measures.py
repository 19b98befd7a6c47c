"""Measures: everything about a run that its result tells, folded from events and samples.

Counts and percentiles come from the daemon's events and are exact. What only a look at the moment
can tell (levels, θ, calls in flight) is sampled; so is what the API's own meters say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from claudeflow.domain.events import CallEnded, Event, JobFinished, JobsSubmitted
from claudeflow.domain.job import JobId, JobState
from claudeflow.domain.report import PoolStatus, Status
from claudeflow.simulation.columns import Columns, Key
from claudeflow.simulation.draws import DrawBook
from claudeflow.simulation.episodes import EpisodeBook
from claudeflow.simulation.estimates import EstimateBook
from claudeflow.simulation.result import About, Episode, PoolUse, Result, Witness, Work
from claudeflow.simulation.worksheet import DIGITS, OVERLOADED, SUCCEEDED, THROTTLED, Worksheet, work_of
from claudeflow.twin.meters import Meters
from claudeflow.twin.stats import Stats

NEVER_SENT = frozenset({"held_back", "prompt_error", "store_error"})
"""Error types of attempts that ended before a call had left: they are no calls."""

MOST_SAMPLES = 720
STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600)


def sample_every_s(duration_s: float) -> float:
    """How far apart samples stand so that a run of this length has at most 720."""
    for step_s in STEPS_S:
        if duration_s <= step_s * MOST_SAMPLES:
            return float(step_s)
    return float(86_400)


class Recorder:
    """A listener on the daemon's events that is also shown its status, and the API's meters, now and then.

    Call `begin` once, `sample` at second 0 and every `every_s`, `end` last. `result` can be asked for
    at any time.
    """

    def __init__(
        self, about: About, scripted: tuple[Episode, ...] = (), our_names: Mapping[str, str] | None = None
    ) -> None:
        """`scripted` is what the scenario plans; `our_names` maps the API's names of pools to ours."""
        self.about = about
        self.every_s = sample_every_s(about.duration_s)
        self._episodes = EpisodeBook(scripted)
        self._sheets: dict[tuple[str, str], Worksheet] = {}
        self._estimates = EstimateBook()
        self._calls_of: dict[JobId, int] = {}
        self._counts: Counter[Key] = Counter()
        self._minutes: Counter[int] = Counter()
        self._columns = Columns()
        self._draws = DrawBook(our_names or {})
        self._status: Status | None = None
        self._witness: Witness | None = None
        self._at_s = 0.0
        self._now_s: Callable[[], float] = lambda: self._at_s

    @property
    def jobs_ended(self) -> int:
        """How many jobs have reached a final state so far."""
        return sum(count for sheet in self._sheets.values() for count in sheet.ended.values())

    def begin(self, now_s: Callable[[], float]) -> None:
        """From now on `now_s` tells the virtual seconds since the scenario's start."""
        self._now_s = now_s

    def apply(self, event: Event) -> None:
        """Count an event. What comes when the time is over is the daemon's stop, and no part of the run."""
        at_s = self._now_s()
        if at_s >= self.about.duration_s:
            return
        self._episodes.apply(event, at_s)
        match event:
            case JobsSubmitted(lane=lane, workflow=workflow, jobs=jobs):
                self._sheet(lane, workflow).submitted += jobs
                self._count("submitted", lane, jobs)
            case CallEnded():
                self._estimates.called(event, at_s)
                self._count_call(event, at_s)
            case JobFinished(lane=lane, workflow=workflow):
                called = self._calls_of.pop(event.job_id, 0) > 0 or event.state is JobState.SUCCEEDED
                self._sheet(lane, workflow).count_end(event, at_s, called=called)
                self._count("ended", lane)
            case _:
                pass

    def sample(self, at_s: float, status: Status, meters: Meters) -> None:
        """Look at the moment."""
        row: dict[Key, float] = {**self._counts}
        for lane in status.lanes:
            row["queued", lane.lane, ""] = lane.queued
            row["running", lane.lane, ""] = lane.running
        for pool in status.pools:
            row |= _pool_row(pool)
        queued = self._jobs_are_queued and any(lane.queued for lane in status.lanes)
        row |= self._draws.read(meters.pools, queued=queued)
        self._columns.add(at_s, row)
        self._counts.clear()
        self._status, self._at_s = status, at_s

    def expected(self, job_id: JobId, goes_at_s: float) -> None:
        """`explain` says when a waiting job will go."""
        self._estimates.expected(job_id, self._now_s(), goes_at_s)

    def end(self, at_s: float, stats: Stats) -> None:
        """The run is over, as planned or before."""
        if at_s > self._at_s:
            self._columns.add(at_s, {**self._counts, **self._draws.read(stats.pools, queued=False)})
            self._at_s = at_s
        self._witness = Witness(
            stats.early_calls,
            stats.burst_max_100ms,
            stats.in_flight_max,
            stats.total_nanousd,
            stats.cache_writes,
            stats.needless_cache_writes,
        )

    def result(self) -> Result:
        """What has come of the run so far."""
        workflows = sorted({workflow for _, workflow in self._sheets})
        return Result(
            about=self.about,
            complete=self._at_s >= self.about.duration_s,
            simulated_s=round(self._at_s, DIGITS),
            totals=work_of("", list(self._sheets.values()), self._at_s, self._oldest_s()),
            lanes=tuple(self._lanes()),
            workflows=tuple(
                work_of(name, [sheet for key, sheet in self._sheets.items() if key[1] == name], self._at_s)
                for name in workflows
            ),
            pools=tuple(self._pools()),
            buckets=self._draws.buckets(),
            witness=self._witness,
            episodes=tuple(one for one in self._episodes.all() if one.from_s <= self._at_s),
            at_s=self._columns.at_s,
            series=self._columns.series(),
            estimates=self._estimates.result(),
            most_calls_per_min=max(self._minutes.values(), default=0),
        )

    @property
    def _jobs_are_queued(self) -> bool:
        return self._status is not None and any(lane.queued for lane in self._status.lanes)

    def _sheet(self, lane: str, workflow: str) -> Worksheet:
        return self._sheets.setdefault((lane, workflow), Worksheet())

    def _count(self, measure: str, of: str, amount: int = 1) -> None:
        self._counts[measure, of, ""] += amount

    def _count_call(self, event: CallEnded, at_s: float) -> None:
        if event.error is not None and event.error.type in NEVER_SENT:
            return
        number = 1
        if event.job_id is not None:
            number = self._calls_of[event.job_id] = self._calls_of.get(event.job_id, 0) + 1
        self._sheet(event.lane, event.workflow).count_call(event, number)
        if event.batch_id is None:
            self._count("calls", event.lane)
            self._minutes[int((at_s - event.duration_s) // 60)] += 1
        self._count("cost_nanousd", event.lane, event.cost_nanousd)
        self._count("uncached_nanousd", event.lane, event.uncached_nanousd)
        if event.outcome in (THROTTLED, OVERLOADED):
            self._count(event.outcome, event.lane)
        elif event.outcome != SUCCEEDED:
            self._count("failed_calls", event.lane)

    def _oldest_s(self) -> float | None:
        ages_s = [] if self._status is None else [lane.oldest_age_s for lane in self._status.lanes]
        return max((age_s for age_s in ages_s if age_s is not None), default=None)

    def _lanes(self) -> Iterator[Work]:
        """Lanes in the order of the configuration; others behind, by name."""
        known = [] if self._status is None else list(self._status.lanes)
        ages_s = {lane.lane: lane.oldest_age_s for lane in known}
        used = {lane for lane, _ in self._sheets}
        for name in [*(name for name in ages_s if name in used), *sorted(used - ages_s.keys())]:
            sheets = [sheet for (lane, _), sheet in self._sheets.items() if lane == name]
            yield work_of(name, sheets, self._at_s, ages_s.get(name))

    def _pools(self) -> Iterator[PoolUse]:
        for pool in [] if self._status is None else self._status.pools:
            gates = self._episodes.gates(pool.pool)
            closed_s = sum((gate.until_s or self._at_s) - gate.from_s for gate in gates)
            yield PoolUse(pool.pool, round(pool.theta, DIGITS), len(gates), round(closed_s, DIGITS))


def _pool_row(pool: PoolStatus) -> dict[Key, float]:
    row: dict[Key, float] = {
        ("in_flight", pool.pool, ""): pool.in_flight,
        ("ceiling", pool.pool, ""): pool.ceiling,
        ("theta", pool.pool, ""): pool.theta,
    }
    for bucket in pool.buckets:
        row["level", pool.pool, bucket.axis.value] = bucket.level
        row["limit_per_min", pool.pool, bucket.axis.value] = bucket.limit_per_min
    return row
