"""What the cache planner itself costs: CPU of whole jobs with and without a prefix, in turn."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice

from benchmarks.caching.loads import Text, every, job, played
from benchmarks.size import Size, ratio, spread, table
from claudeflow.config import Config
from claudeflow.policy.caching.settings import CacheSettings
from claudeflow.simulation.arrivals import Arrival

ON, OFF = Config(), Config(cache=CacheSettings(enabled=False))
GAP_S = 0.5


def _cpu_ms(jobs: int, config: Config) -> float:
    """CPU of a whole simulated job, the twin's part included; 50 prefixes take turns."""
    arrivals = [
        Arrival(
            at_s, job(number, Text(f"You are number {number % 50}.", 2_000), workflow=f"work-{number % 5}")
        )
        for number, at_s in enumerate(islice(every(GAP_S), jobs))
    ]
    began_s = time.process_time()
    played(arrivals, arrivals[-1].at_s + 60.0, config)
    return 1_000 * (time.process_time() - began_s) / jobs


def run(size: Size) -> Iterator[str]:
    """The same jobs with the planner and without it."""
    jobs = size.of(tiny=20, quick=500, full=2_000)
    _cpu_ms(20, ON)
    rounds = [(_cpu_ms(jobs, OFF), _cpu_ms(jobs, ON)) for _ in range(size.rounds)]
    off, on = zip(*rounds, strict=True)
    rows = [("caching off", spread(off), "1.00"), ("caching on, 50 prefixes", spread(on), ratio(on, off))]
    yield table(("whole simulated job, the simulated API's part included", "CPU ms", "ratio"), rows)
