"""Who waits for whom? An interactive lane under a flood, and eleven workflows of which one floods."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import merge
from operator import attrgetter

from benchmarks.flow.loads import Work, around, backlog, lived, stream
from benchmarks.flow.witness import Witness, output_tokens, priced_tokens
from benchmarks.size import Size, percentile, spread, table
from claudeflow.simulation.arrivals import Arrival
from claudeflow.twin.settings import TwinSettings

WARM_UP_S = 120.0
END_S = 720.0
PER_MIN = 240
INTERACTIVE_PER_S = 0.4
"""A tenth of what the limits let through: the flood is ten times as much and more."""
TWIN = TwinSettings(rpm=PER_MIN, itpm=10_000_000, otpm=60_000, ttft_s=1.0, tokens_per_s=80.0)

SMALL = around(400, 120, 0.4)
LARGE = around(3_000, 350, 0.5)


@dataclass(frozen=True, slots=True)
class Waits:
    """99th percentiles of a lane's jobs in seconds: until the first call, and until the answer."""

    first_call_s: float
    answer_s: float


@dataclass(frozen=True, slots=True)
class Flood:
    """Interactive jobs alone and under the flood; the flood's share of what they left of its own pace."""

    idle: Waits
    flooded: Waits
    bulk_share: float

    @property
    def answer_ratio(self) -> float:
        """How much longer interactive jobs take under the flood."""
        return self.flooded.answer_s / self.idle.answer_s


def flooded(seed: int, end_s: float = END_S) -> Flood:
    """The same interactive jobs alone and under a flood; the same flood alone and beside them."""
    alone = lived(TWIN, _interactive(seed, end_s), end_s, seed)
    bulk = lived(TWIN, _bulk(seed, end_s), end_s, seed)
    both = lived(
        TWIN, merge(_interactive(seed, end_s), _bulk(seed, end_s), key=attrgetter("at_s")), end_s, seed
    )
    taken = both.served("lane", output_tokens, WARM_UP_S, end_s)
    left = bulk.served("lane", output_tokens, WARM_UP_S, end_s)["bulk"] - taken["interactive"]
    return Flood(_waits(alone), _waits(both), taken["bulk"] / left)


def _waits(witness: Witness) -> Waits:
    ended = witness.ended("interactive", WARM_UP_S)
    return Waits(
        percentile([event.wait_s for event in ended], 0.99),
        percentile([event.total_s for event in ended], 0.99),
    )


def _interactive(seed: int, end_s: float) -> Iterator[Arrival]:
    return stream(Work(SMALL, "chat", "interactive"), INTERACTIVE_PER_S, seed, 0.0, end_s)


def _bulk(seed: int, end_s: float) -> Iterator[Arrival]:
    return backlog(Work(LARGE, "archive", "bulk"), int(PER_MIN * end_s / 60 * 1.2), seed)


@dataclass(frozen=True, slots=True)
class Crowd:
    """Jain's index over the workflows that always had something to do, and how long the lone job waited.

    `round_s` is the time in which each of the waiting workflows is served once.
    """

    jain: float
    lone_wait_s: float
    round_s: float


def crowded(seed: int, end_s: float = END_S) -> Crowd:
    """Eleven workflows in one lane, one of them with ten times as much; then one job of a twelfth."""
    each = int(PER_MIN * end_s / 60 / 11 * 4)
    loads = [
        backlog(Work(SMALL if number % 2 else LARGE, f"w{number:02}"), each * (4 if number == 0 else 1), seed)
        for number in range(11)
    ]
    lone = backlog(Work(SMALL, "lone"), 1, seed, at_s=end_s / 2)
    witness = lived(TWIN, merge(*loads, lone, key=attrgetter("at_s")), end_s, seed)
    served = witness.served("workflow", priced_tokens, WARM_UP_S, end_s)
    lone_wait_s = witness.waits_of("lone")[0]
    served.pop("lone")
    calls = len(witness.calls(WARM_UP_S))
    return Crowd(jain(list(served.values())), lone_wait_s, 11 * (end_s - WARM_UP_S) / calls)


def jain(amounts: list[float]) -> float:
    """Jain's index of fairness: 1 when all got the same, 1/n when one got everything."""
    return sum(amounts) ** 2 / (len(amounts) * sum(amount**2 for amount in amounts))


def run(size: Size) -> Iterator[str]:
    """The tables."""
    seeds = range(size.of(tiny=1, quick=2, full=10))
    end_s = size.of(tiny=WARM_UP_S * 2.5, quick=END_S, full=END_S)
    floods = [flooded(seed, end_s) for seed in seeds]
    yield table(
        (
            "p99 of interactive jobs, s",
            "until the first call",
            "until the answer",
            "ratio of the latter",
            "bulk, % of what is left",
        ),
        [
            (
                "alone",
                spread([flood.idle.first_call_s for flood in floods]),
                spread([flood.idle.answer_s for flood in floods]),
                "1",
                "100",
            ),
            (
                "under a flood",
                spread([flood.flooded.first_call_s for flood in floods]),
                spread([flood.flooded.answer_s for flood in floods]),
                spread([flood.answer_ratio for flood in floods]),
                spread([100 * flood.bulk_share for flood in floods], 1),
            ),
        ],
    )
    crowds = [crowded(seed, end_s) for seed in seeds]
    yield table(
        ("Jain's index, 11 workflows", "wait of a lone job, s", "one round, s"),
        [
            (
                spread([crowd.jain for crowd in crowds], 4),
                spread([crowd.lone_wait_s for crowd in crowds]),
                spread([crowd.round_s for crowd in crowds]),
            )
        ],
    )
