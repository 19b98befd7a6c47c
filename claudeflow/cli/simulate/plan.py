"""Plan: from the command line to the runs that it asks for."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import click

from claudeflow.cli.exits import Exit
from claudeflow.cli.problems import Failure
from claudeflow.config import load_config
from claudeflow.simulation.examples import shipped_scenarios
from claudeflow.simulation.result import Result, from_json
from claudeflow.simulation.trial import Trial
from claudeflow.simulation.when import read_duration

OWN_CONFIG = "own"
"""What a run is called whose configuration is the scenario's own."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the person asked for on the command line. `others` belong to `--compare`."""

    scenario: str | None
    others: tuple[str, ...]
    config: Path | None
    compare: tuple[Path, ...]
    tiers: tuple[str, ...]
    seeds: tuple[int, ...]
    until: str | None
    events: Path | None
    processes: int | None


@dataclass(frozen=True, slots=True)
class Work:
    """What to run, in how many processes, and what was run earlier."""

    trials: tuple[Trial, ...]
    earlier: tuple[Result, ...]
    processes: int
    events: Path | None


def plan(wish: Wish) -> Work:
    """Check everything before the first run begins. Raises UsageError, Failure, ConfigError."""
    if wish.scenario is None:
        raise click.UsageError("Missing argument 'SCENARIO': a file or a name; --list shows the names")
    if wish.others and not wish.compare:
        raise click.UsageError(f"one SCENARIO at a time; found also {' '.join(wish.others)}")
    files = [*wish.compare, *(Path(other) for other in wish.others)]
    scenario = find_scenario(wish.scenario)
    configs = [wish.config, *(path for path in files if path.suffix != ".json")]
    trials = tuple(_trials(wish, scenario, configs))
    if wish.events is not None and len(trials) > 1:
        raise click.UsageError(f"--events takes the events of one run; this is {len(trials)}")
    for config in configs:
        if config is not None:
            load_config(config)
    for trial in trials:
        trial.load()
    earlier = tuple(_read_result(path) for path in files if path.suffix == ".json")
    processes = min(wish.processes or os.cpu_count() or 1, len(trials))
    return Work(trials, earlier, processes, wish.events)


def find_scenario(name: str) -> Path:
    """A file, or a scenario that comes with claudeflow. Raises Failure."""
    path = Path(name)
    if path.suffix or path.exists():
        return path
    shipped = shipped_scenarios()
    if name not in shipped:
        known = ", ".join(shipped)
        raise Failure(Exit.USAGE, f"{name}: no such file, and no scenario of this name; there are {known}")
    return shipped[name]


def _trials(wish: Wish, scenario: Path, configs: Sequence[Path | None]) -> Iterator[Trial]:
    until_s = None if wish.until is None else _until_s(wish.until)
    tiers: Sequence[str | None] = wish.tiers or (None,)
    seeds: Sequence[int | None] = wish.seeds or (None,)
    stems = [config.stem for config in configs if config]
    for config, tier, seed in product(configs, tiers, seeds):
        named = config and (config.stem if stems.count(config.stem) == 1 else str(config))
        parts = [named or OWN_CONFIG] if len(configs) > 1 or named else []
        parts += [f"tier {tier}"] if tier else []
        parts += [f"seed {seed}"] if len(seeds) > 1 else []
        yield Trial(scenario, ", ".join(parts) or OWN_CONFIG, config, tier, seed, until_s)


def _until_s(text: str) -> float:
    try:
        return read_duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--until") from error


def _read_result(path: Path) -> Result:
    """An earlier run, named after the folder it is in."""
    try:
        result = from_json(path.read_bytes(), str(path))
    except OSError as error:
        raise Failure(Exit.USAGE, f"{path}: {error.strerror or error}") from error
    label = f"{result.about.config} ({path.absolute().parent.name})"
    return replace(result, about=replace(result.about, config=label))
