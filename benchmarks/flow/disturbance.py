"""What does a disturbance cost, and how soon is everything as before?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from benchmarks.flow.loads import POOL, Work, around, backlog, lived
from benchmarks.flow.saturation import PLENTY
from benchmarks.size import Size, spread, table
from claudeflow.twin.changes import Change
from claudeflow.twin.consumers import Consumer
from claudeflow.twin.faults import Fault
from claudeflow.twin.settings import TwinSettings

FROM_S, UNTIL_S = 600.0, 1_200.0
RECOVERED_S = 120.0
END_S = 1_800.0
PER_MIN = 60
"""Requests a minute; output tokens bind at about the same rate."""


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Something that lasts from minute 10 to minute 20, or always (`always`), in so many `events`.

    What is always there counts as an event in every five minutes.
    """

    name: str
    twin: dict[str, Any] = field(default_factory=dict)
    always: bool = False
    events: int = 1


@dataclass(frozen=True, slots=True)
class Aftermath:
    """429s that it brought, calls before their `retry-after`, and the use meanwhile and after it."""

    throttled: int
    early: int
    use_meanwhile: float
    use_after: float


def disturbances() -> tuple[Disturbance, ...]:
    """Everything that must not make the flow collapse."""
    there: dict[str, Any] = {"from_s": FROM_S, "until_s": UNTIL_S}
    return (
        Disturbance("limits halved", {"changes": (Change(FROM_S, factor=0.5), Change(UNTIL_S, factor=2.0))}),
        Disturbance("limits doubled", {"changes": (Change(FROM_S, factor=2.0), Change(UNTIL_S, factor=0.5))}),
        Disturbance("another consumer takes 50 %", {"consumers": (Consumer(share=0.5, **there),)}),
        Disturbance(
            "another consumer, in bursts",
            {"consumers": (Consumer(share=0.5, period_s=120.0, duty=0.5, **there),)},
            events=5,
        ),
        Disturbance("outage of 10 minutes", {"faults": (Fault("outage", **there),)}),
        Disturbance("529 for 10 minutes", {"faults": (Fault("overloaded_529", **there),)}),
        Disturbance("429 for 10 minutes", {"faults": (Fault("rate_429", countdown=True, **there),)}),
        Disturbance("no rate-limit headers", {"faults": (Fault("headers_lost", **there),)}),
        Disturbance("six rate-limit headers", {"header_families": "six"}, always=True),
        Disturbance("clock 90 s ahead", {"faults": (Fault("clock_skew", offset_s=90.0, **there),)}),
        Disturbance("clock 90 s behind", {"faults": (Fault("clock_skew", offset_s=-90.0, **there),)}),
        Disturbance("windows of 1 s", {"burst_s": 1.0, "otpm": 90_000}, always=True),
        Disturbance("at most 4 at once", {"max_in_flight": 4}, always=True, events=6),
    )


def disturbed(what: Disturbance, seed: int) -> Aftermath:
    """Half an hour with the disturbance in the middle."""
    limits: dict[str, Any] = {"rpm": PER_MIN, "itpm": PLENTY, "otpm": 24_000}
    twin = TwinSettings(**{**limits, **what.twin}, ttft_s=1.0, tokens_per_s=80.0)
    jobs = backlog(Work(around(300, 300, 0.5), lane="bulk"), int(PER_MIN * 1.7 * END_S / 60), seed)
    witness = lived(twin, jobs, END_S, seed)
    assert witness.stats is not None
    from_s = 0.0 if what.always else FROM_S
    meanwhile = witness.use(POOL, FROM_S + RECOVERED_S, UNTIL_S)
    after = witness.use(POOL, UNTIL_S + RECOVERED_S, END_S)
    return Aftermath(
        witness.throttled(from_s), witness.stats.early_calls, max(meanwhile.values()), max(after.values())
    )


def run(size: Size) -> Iterator[str]:
    """The table."""
    seeds = size.of(tiny=1, quick=1, full=5)
    rows = []
    for what in disturbances()[: size.of(tiny=1, quick=None, full=None)]:
        found = [disturbed(what, seed) for seed in range(seeds)]
        rows.append(
            (
                what.name,
                spread([after.throttled for after in found], 0),
                spread([after.early for after in found], 0),
                spread([100 * after.use_meanwhile for after in found], 1),
                spread([100 * after.use_after for after in found], 1),
            )
        )
    headings = ("disturbance", "429s", "early calls", "% used meanwhile", "% used from 2 minutes after")
    yield table(headings, rows)
