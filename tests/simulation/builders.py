"""Scenarios for tests, from text as users write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from claudeflow.domain.errors import ConfigError
from claudeflow.simulation.arrivals import Arrival, arrivals
from claudeflow.simulation.scenario import Scenario, parse_scenario

HEAD = """
name = "test"
starts = "{starts}"
zone = "{zone}"
duration = "{duration}"
seed = {seed}
"""

WORKFLOW = """
[[workflow]]
name = "{name}"
model = "claude-haiku-5-5"
{keys}
"""


def a_workflow(keys: str, name: str = "tickets", input_tokens: str = "100") -> str:
    """A `[[workflow]]` table; without `input_tokens` when that is empty."""
    size = f"input_tokens = {input_tokens}\n" if input_tokens else ""
    return WORKFLOW.format(name=name, keys=size + keys)


def scenario_text(
    *tables: str,
    starts: str = "2026-11-17T08:00",
    zone: str = "Europe/Berlin",
    duration: str = "3h",
    seed: int = 0,
) -> str:
    return HEAD.format(starts=starts, zone=zone, duration=duration, seed=seed) + "".join(tables)


def a_scenario(*tables: str, folder: Path = Path(), **head: Any) -> Scenario:
    """A scenario that is right."""
    return parse_scenario(scenario_text(*tables, **head), "s.toml", folder)


def mistakes_in(text: str, folder: Path = Path()) -> dict[str, str]:
    """Key path → message, of a scenario that is refused."""
    with pytest.raises(ConfigError) as refused:
        parse_scenario(text, "s.toml", folder)
    paths = [mistake.field for mistake in refused.value.mistakes]
    assert len(paths) == len(set(paths)), f"reported twice: {paths}"
    return {mistake.field: mistake.message for mistake in refused.value.mistakes}


def arrivals_of(*tables: str, **head: Any) -> list[Arrival]:
    """All arrivals of a scenario."""
    return list(arrivals(a_scenario(*tables, **head)))


def user_text(arrival: Arrival) -> str:
    """What a plain job asks."""
    text = arrival.job["request"]["messages"][0]["content"]
    assert isinstance(text, str)
    return text
