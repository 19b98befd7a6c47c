"""The company's month (examples/scenarios/story-month.toml) by caching alone, and less one rule of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.size import Size, number, table
from claudeflow.simulation.examples import shipped_scenarios
from claudeflow.simulation.result import Result
from claudeflow.simulation.trial import Trial, run_trial

DAY_S = 86_400.0
USD = 1_000_000_000
STORY = "story-month"
CACHING = "caching"
"""Each job has a call of its own, and nothing goes by batches."""
LEVERS = {
    "plain": "no caching",
    "ttl-5m": "5 minutes for every prefix",
    "ttl-1h": "1 hour for every prefix",
    "no-cold-prefix": "no waiting for one writer",
}


@dataclass(frozen=True, slots=True)
class Ablation:
    """One run of the month. `name` tells what was taken away."""

    name: str
    result: Result

    @property
    def cost_usd(self) -> float:
        """What was paid."""
        return self.result.totals.cost_nanousd / USD

    @property
    def uncached_usd(self) -> float:
        """What the same tokens would have cost without prompt caching."""
        return self.result.totals.uncached_nanousd / USD


def config_of(lever: str) -> Path:
    """The configuration of this name beside the scenario."""
    return shipped_scenarios()[STORY].parent / STORY / f"{lever}.toml"


def lived(config: str, until_s: float | None = None) -> Result:
    """The month, or its beginning, by one of the configurations beside it."""
    trial = Trial(shipped_scenarios()[STORY], config, config_of(config), until_s=until_s)
    return run_trial(trial, lambda _: None)


def one_day(config: str | None, day: str, folder: Path) -> Result:
    """A single day of the month, such as `2026-11-03`; its scenario is written into `folder`.

    Without a `config` by the scenario's own, which pulls every lever.
    """
    scenario = shipped_scenarios()[STORY]
    month = scenario.read_text(encoding="utf-8").replace("schemas/", f"{scenario.parent}/schemas/")
    lines = {"starts": f'starts = "{day}T00:00"', "duration": 'duration = "1d"'}
    text = "\n".join(lines.get(line.partition(" = ")[0], line) for line in month.splitlines())
    path = folder / f"{STORY}-{day}.toml"
    path.write_text(text, encoding="utf-8")
    return run_trial(Trial(path, config or "own", config_of(config) if config else None), lambda _: None)


def ablations(until_s: float | None) -> Iterator[Ablation]:
    """As it comes, then without each lever."""
    yield Ablation("as it comes", lived(CACHING, until_s))
    for lever, name in LEVERS.items():
        yield Ablation(name, lived(lever, until_s))


def run(size: Size) -> Iterator[str]:
    """A table of the levers, and one of the workflows."""
    found = list(ablations(size.of(tiny=DAY_S / 2, quick=7 * DAY_S, full=None)))
    yield table(
        (
            "the story's month",
            "paid, $",
            "saved, %",
            "more than as it comes, $",
            "prefixes written",
            "needlessly",
        ),
        [_row(one, found[0]) for one in found],
    )
    yield table(
        ("workflow", "calls", "without caching, $", "paid, $", "saved, %", "input from cache, %"),
        [
            (
                work.name,
                number(work.calls, 0),
                number(work.uncached_nanousd / USD, 2),
                number(work.cost_nanousd / USD, 2),
                number(100 * (work.caching_saved_share or 0.0), 1),
                number(100 * (work.cache_share or 0.0), 1),
            )
            for work in (*found[0].result.workflows, found[0].result.totals)
        ],
    )


def _row(one: Ablation, first: Ablation) -> tuple[str, ...]:
    witness = one.result.witness
    assert witness is not None
    return (
        one.name,
        number(one.cost_usd, 2),
        number(100 * (one.result.totals.caching_saved_share or 0.0), 1),
        number(one.cost_usd - first.cost_usd, 2),
        number(witness.cache_writes, 0),
        number(witness.needless_cache_writes, 0),
    )
