"""Where caching cannot pay, or hardly: does trying cost more than leaving it alone?

Each load is played with claudeflow's own choice, without caching, and with each TTL for every prefix.
Costs are the API's invoices over the same jobs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count, islice, repeat

from benchmarks.caching.loads import MINUTE_S, Text, every, mixed, played, sent, turning
from benchmarks.size import Size, number, table
from claudeflow.config import Config
from claudeflow.policy.caching.settings import CacheSettings
from claudeflow.simulation.arrivals import Arrival

JOBS = 120
AFTERWARDS_S = 60.0
SAME = Text("You sort tickets.", 3_000)
CHOICES = {
    "auto": CacheSettings(),
    "none": CacheSettings(enabled=False),
    "5m": CacheSettings(ttl="5m"),
    "1h": CacheSettings(ttl="1h"),
}


@dataclass(frozen=True, slots=True)
class Load:
    """Arrivals without end. `pays`: caching can save something there."""

    name: str
    arrivals: Callable[[], Iterator[Arrival]]
    pays: bool = False


def texts(start: str, tokens: int = 3_000) -> Iterator[Text]:
    """System texts that all differ, from their first words on."""
    return (Text(f"{number} {start}", tokens) for number in count())


LOADS = (
    Load("below the model's minimum", lambda: sent(every(20.0), repeat(Text("Sort.", 300)))),
    Load(
        "each prefix used once", lambda: sent(every(20.0), texts("is the document that you are asked about."))
    ),
    Load(
        "a prefix that changes each time", lambda: sent(every(90.0), texts("is the time. You sort tickets."))
    ),
    Load("one every two hours", lambda: sent(every(120 * MINUTE_S), repeat(SAME))),
    Load("gaps of seconds to hours", lambda: sent(mixed(), repeat(SAME)), pays=True),
    Load("busy and quiet in turn", lambda: sent(turning(), repeat(SAME)), pays=True),
    Load("one every 20 seconds", lambda: sent(every(20.0), repeat(SAME)), pays=True),
    Load("one every ten minutes", lambda: sent(every(10 * MINUTE_S), repeat(SAME)), pays=True),
)


def invoices(load: Load, jobs: int = JOBS, choices: tuple[str, ...] = tuple(CHOICES)) -> dict[str, int]:
    """Nano-dollars by choice."""
    return {choice: _invoice(load, jobs, CHOICES[choice]) for choice in choices}


def _invoice(load: Load, jobs: int, settings: CacheSettings) -> int:
    arrivals = list(islice(load.arrivals(), jobs))
    witness = played(arrivals, arrivals[-1].at_s + AFTERWARDS_S, Config(cache=settings))
    assert witness.stats is not None
    if len(witness.calls()) != jobs:
        raise RuntimeError(f"{load.name}: {len(witness.calls())} calls for {jobs} jobs")
    return witness.stats.total_nanousd


def run(size: Size) -> Iterator[str]:
    """A row for each load."""
    rows = []
    for load in LOADS:
        costs = invoices(load, size.of(tiny=10, quick=JOBS, full=4 * JOBS))
        plain = costs["none"]
        rows.append((load.name, *(number(100 * costs[choice] / plain, 1) for choice in CHOICES)))
    yield table(("cost, % of that without caching", "claudeflow's choice", "none", "5m", "1h"), rows)
