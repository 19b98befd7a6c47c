"""Short simulated mornings, and a program that prints the digest of each seed's event log.

python -m tests.support.simulated 0 20
"""

from __future__ import annotations

import hashlib
import io
import sys
from collections.abc import Iterator
from heapq import merge
from operator import attrgetter

from benchmarks.flow.loads import A_TUESDAY_S, Work, around, backlog, stream
from claudeflow.config import Config
from claudeflow.domain.job import JobId
from claudeflow.domain.report import Status
from claudeflow.simulation.arrivals import Arrival
from claudeflow.simulation.event_log import EventLog
from claudeflow.simulation.run import Stage, simulate
from claudeflow.twin.consumers import Consumer
from claudeflow.twin.faults import Fault
from claudeflow.twin.meters import Meters
from claudeflow.twin.settings import TwinSettings
from claudeflow.twin.stats import Stats

MORNING_S = 300.0


class LogKeeper(EventLog):
    """A watcher that keeps the event log in memory."""

    def __init__(self) -> None:
        self.written = io.BytesIO()
        super().__init__(self.written)

    def sample(self, at_s: float, status: Status, meters: Meters) -> None:
        """Samples are not kept."""

    def expected(self, job_id: JobId, goes_at_s: float) -> None:
        """What `explain` says is not kept."""

    def end(self, at_s: float, stats: Stats) -> None:
        """The run is over."""


def a_morning(seed: int) -> Stage:
    """Four workflows, an event, failures, deadlines, a shared system prompt, another consumer."""
    twin = TwinSettings(
        rpm=120,
        itpm=200_000,
        otpm=40_000,
        ttft_s=0.8,
        tokens_per_s=70.0,
        burst_s=5.0,
        seed=seed,
        consumers=(Consumer(share=0.4, from_s=150, period_s=20.0, duty=0.5),),
        faults=(
            Fault("rate_429", from_s=60, until_s=80, countdown=True),
            Fault("overloaded_529", from_s=100, until_s=140, share=0.3),
            Fault("reset_mid_stream", from_s=120, until_s=200, share=0.05),
            Fault("stall", from_s=120, until_s=200, share=0.02, for_s=20.0),
        ),
    )
    return Stage(Config(), twin, _jobs(seed), A_TUESDAY_S, MORNING_S, seed)


def _jobs(seed: int) -> Iterator[Arrival]:
    loads = (
        backlog(Work(around(400, 150), "archive", "bulk"), 150, seed),
        stream(Work(around(300, 100), "chat", "interactive"), 0.3, seed, 0.0, MORNING_S),
        stream(Work(around(600, 200), "triage", "standard", {"deadline": "+90s"}), 0.3, seed, 0.0, MORNING_S),
        (_with_system(found) for found in stream(Work(around(200, 80), "faq"), 0.3, seed, 0.0, MORNING_S)),
    )
    return merge(*loads, key=attrgetter("at_s"))


def _with_system(arrival: Arrival) -> Arrival:
    job = dict(arrival.job)
    job["request"] = {**job["request"], "system": "You answer questions about the office. " * 500}
    return Arrival(arrival.at_s, job)


def event_log(seed: int) -> bytes:
    """The event log of a seed's morning."""
    keeper = LogKeeper()
    simulate(a_morning(seed), keeper, sample_every_s=10.0)
    return keeper.written.getvalue()


def digests(first: int, last: int) -> Iterator[str]:
    """One line for each seed: its number, the lines of its log, their SHA-256."""
    for seed in range(first, last):
        log = event_log(seed)
        yield f"{seed} {len(log.splitlines())} {hashlib.sha256(log).hexdigest()}"


if __name__ == "__main__":
    for line in digests(int(sys.argv[1]), int(sys.argv[2])):
        print(line, flush=True)
