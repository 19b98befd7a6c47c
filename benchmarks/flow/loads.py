"""Loads: what producers submit in the simulated runs, and the stages they are played on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from benchmarks.flow.witness import Witness
from claudeflow.config import Config
from claudeflow.simulation.arrivals import Arrival
from claudeflow.simulation.run import Stage, simulate
from claudeflow.simulation.texts import own_text
from claudeflow.twin.models import find_model
from claudeflow.twin.settings import TwinSettings

MODEL = "claude-haiku-5-5"
POOL = "haiku-5-5"
"""As the twin names it."""
A_TUESDAY_S = 1_794_902_400.0
"""2026-11-17 08:00 UTC."""
SAMPLE_EVERY_S = 5.0

Tokens = Callable[[Random], tuple[int, int]]
"""Draws the input and output tokens of a job."""


def always(input_tokens: int, output_tokens: int) -> Tokens:
    """Jobs of one size."""
    return lambda _: (input_tokens, output_tokens)


def around(input_tokens: int, output_tokens: int, sigma: float = 0.6) -> Tokens:
    """Sizes log-normal about these medians."""

    def draw(chance: Random) -> tuple[int, int]:
        spread = chance.lognormvariate(0.0, sigma), chance.lognormvariate(0.0, sigma)
        return max(8, int(input_tokens * spread[0])), max(1, int(output_tokens * spread[1]))

    return draw


@dataclass(frozen=True, slots=True)
class Work:
    """One workflow's jobs: where they go and how large they are."""

    tokens: Tokens
    workflow: str = "triage"
    lane: str = "standard"
    envelope: dict[str, Any] | None = None

    def job(self, number: int, chance: Random) -> dict[str, Any]:
        """One job; `number` makes it differ from all others."""
        model = find_model(MODEL)
        assert model is not None
        input_tokens, output_tokens = self.tokens(chance)
        text = own_text(number, input_tokens, model, output_tokens)
        request = {"model": MODEL, "max_tokens": 8_000, "messages": [{"role": "user", "content": text}]}
        return {"lane": self.lane, "workflow": self.workflow, "request": request, **(self.envelope or {})}


def backlog(work: Work, jobs: int, seed: int, at_s: float = 0.0) -> Iterator[Arrival]:
    """All at once."""
    chance = Random(f"{seed}/{work.workflow}/backlog")
    return (Arrival(at_s, work.job(number, chance)) for number in range(jobs))


def stream(work: Work, per_s: float, seed: int, from_s: float, until_s: float) -> Iterator[Arrival]:
    """A Poisson process."""
    chance = Random(f"{seed}/{work.workflow}/stream")
    at_s, number = from_s + chance.expovariate(per_s), 0
    while at_s < until_s:
        yield Arrival(at_s, work.job(number, chance))
        at_s += chance.expovariate(per_s)
        number += 1


def lived(
    twin: TwinSettings,
    arrivals: Iterable[Arrival],
    duration_s: float,
    seed: int,
    config: Config | None = None,
) -> Witness:
    """What became of a load on an API."""
    witness = Witness()
    stage = Stage(config or Config(), replace(twin, seed=seed), arrivals, A_TUESDAY_S, duration_s, seed)
    simulate(stage, witness, SAMPLE_EVERY_S)
    return witness
