"""Loads whose jobs begin alike, or do not: what prompt caching has to tell apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from benchmarks.flow.loads import A_TUESDAY_S
from benchmarks.flow.witness import Witness
from claudeflow.config import Config
from claudeflow.simulation.arrivals import Arrival
from claudeflow.simulation.run import Stage, simulate
from claudeflow.simulation.texts import own_text, sized_text
from claudeflow.twin.models import Model, find_model
from claudeflow.twin.settings import TwinSettings

MODEL = "claude-sonnet-5-5"
PLENTY = TwinSettings(rpm=1_000_000, itpm=1_000_000_000, otpm=1_000_000_000, ttft_s=1.0, tokens_per_s=80.0)
OWN_TOKENS = 200
ANSWER_TOKENS = 20
MINUTE_S = 60.0


@dataclass(frozen=True, slots=True)
class Text:
    """The system text of one job: how it begins, and its size."""

    start: str
    tokens: int


def job(number: int, text: Text | None, workflow: str = "work") -> dict[str, Any]:
    """One job; `number` makes its own part differ from all others."""
    model = _model()
    own = own_text(number, OWN_TOKENS, model, ANSWER_TOKENS)
    request: dict[str, Any] = {
        "model": MODEL,
        "max_tokens": 500,
        "messages": [{"role": "user", "content": own}],
    }
    if text is not None:
        request["system"] = sized_text(text.start, text.tokens, model)
    return {"lane": "standard", "workflow": workflow, "request": request}


def at_once(jobs: int, tokens: int) -> Iterator[Arrival]:
    """All at second 0, with one system text."""
    text = Text("You answer the questions of a customer.", tokens)
    return (Arrival(0.0, job(number, text)) for number in range(jobs))


def sent(moments_s: Iterable[float], texts: Iterable[Text]) -> Iterator[Arrival]:
    """A job with each text at each moment."""
    pairs = zip(moments_s, texts, strict=False)
    return (Arrival(at_s, job(number, text)) for number, (at_s, text) in enumerate(pairs))


def every(gap_s: float) -> Iterator[float]:
    """Moments about so far apart, at random."""
    chance, at_s = Random(f"every {gap_s}"), 0.0
    while True:
        at_s += chance.expovariate(1 / gap_s)
        yield at_s


def mixed() -> Iterator[float]:
    """Gaps of seconds, of a quarter of an hour and of hours, in no order."""
    chance, at_s = Random("mixed"), 0.0
    while True:
        at_s += chance.expovariate(1 / chance.choice((0.3, 4.0, 15.0, 50.0, 150.0))) * MINUTE_S
        yield at_s


def turning() -> Iterator[float]:
    """Every 20 seconds for a while, then every two hours for a while, and so on."""
    at_s = 0.0
    while True:
        for gap_s in [20.0] * 25 + [7_200.0] * 15:
            at_s += gap_s
            yield at_s


def played(
    arrivals: Iterable[Arrival], duration_s: float, config: Config, twin: TwinSettings = PLENTY
) -> Witness:
    """What became of a load; hours may pass between its jobs, so nobody looks in between."""
    witness = Witness()
    simulate(Stage(config, twin, arrivals, A_TUESDAY_S, duration_s, seed=1), witness, duration_s)
    return witness


def _model() -> Model:
    model = find_model(MODEL)
    assert model is not None
    return model
