"""How much of what the buckets grant is used when there is always more to do?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.flow.loads import POOL, Tokens, Work, around, backlog, lived
from benchmarks.size import Size, spread, table
from claudeflow.domain.quota import Axis
from claudeflow.simulation.traces import TraceRow, read_trace
from claudeflow.twin.settings import TwinSettings

WARM_UP_S = 120.0
MEASURED_S = 1_800.0
PLENTY = 100_000_000
TRACES = Path("examples/traces")


@dataclass(frozen=True, slots=True)
class Saturation:
    """A load that one axis cannot carry. `per_min` is about how many calls the limits let through."""

    name: str
    axis: Axis
    limits: dict[str, int]
    tokens: Tokens
    per_min: int


@dataclass(frozen=True, slots=True)
class Use:
    """What came of it: share of the granted that was used, calls, and those answered 429."""

    share: float
    calls: int
    throttled: int

    @property
    def throttled_per_1000(self) -> float:
        """429s in a thousand calls."""
        return 1_000 * self.throttled / self.calls


def of_trace(*names: str) -> Tokens:
    """Sizes drawn from the rows of traces."""
    rows: list[TraceRow] = []
    for name in names:
        rows += read_trace(TRACES / name).rows

    def draw(chance: Random) -> tuple[int, int]:
        row = chance.choice(rows)
        return max(8, row.input_tokens), max(1, row.output_tokens)

    return draw


def saturations() -> tuple[Saturation, ...]:
    """Each axis in turn, then mixed sizes as they were in production elsewhere."""
    azure = of_trace("azure-llm-2023-conv-1500.csv.gz", "azure-llm-2023-code-1500.csv.gz")
    mooncake = of_trace("mooncake-conversation-1500.jsonl.gz")
    return (
        Saturation("requests", Axis.REQUESTS, {"rpm": 100}, around(300, 150), 100),
        Saturation("input tokens", Axis.INPUT_TOKENS, {"itpm": 200_000}, around(2_500, 100), 80),
        Saturation("output tokens", Axis.OUTPUT_TOKENS, {"otpm": 30_000}, around(300, 400), 75),
        Saturation("Azure's sizes", Axis.INPUT_TOKENS, {"itpm": 120_000, "otpm": 30_000}, azure, 100),
        Saturation("Mooncake's sizes", Axis.INPUT_TOKENS, {"itpm": 600_000, "otpm": 30_000}, mooncake, 60),
    )


def saturated(load: Saturation, seed: int, measured_s: float = MEASURED_S) -> Use:
    """30 virtual minutes after a warm-up of two, or as long as asked for."""
    limits: dict[str, Any] = {"rpm": PLENTY, "itpm": PLENTY, "otpm": PLENTY, **load.limits}
    twin = TwinSettings(**limits, ttft_s=1.0, tokens_per_s=80.0)
    end_s = WARM_UP_S + measured_s
    jobs = backlog(Work(load.tokens), int(load.per_min * (end_s / 60 + 3)), seed)
    witness = lived(twin, jobs, end_s, seed)
    used = witness.use(POOL, WARM_UP_S, end_s)
    calls = witness.calls(WARM_UP_S)
    return Use(max(used[axis] for axis in used), len(calls), witness.throttled(WARM_UP_S))


def run(size: Size) -> Iterator[str]:
    """The table."""
    seeds = size.of(tiny=1, quick=3, full=10)
    measured_s = size.of(tiny=120.0, quick=MEASURED_S, full=MEASURED_S)
    rows = []
    for load in saturations()[: size.of(tiny=1, quick=None, full=None)]:
        uses = [saturated(load, seed, measured_s) for seed in range(seeds)]
        rows.append(
            (
                load.name,
                spread([100 * use.share for use in uses], 1),
                spread([use.throttled_per_1000 for use in uses], 2),
                spread([use.calls for use in uses], 0),
            )
        )
    yield table(("saturated", "% of the granted used", "429s in 1,000 calls", "calls"), rows)
