"""What the documentation says about scenario files is what they are."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from claudeflow.simulation.arrivals import arrivals
from claudeflow.simulation.scenario import parse_scenario
from claudeflow.simulation.workflow import Burst, Replay, WorkflowSettings
from claudeflow.twin.settings import TwinSettings

PAGE = (Path(__file__).parents[2] / "docs" / "simulate.md").read_text(encoding="utf-8")
FORMAT = PAGE.partition("## The scenario file")[2]
NOT_OF_A_SCENARIO = {
    "seed",
    "epoch_s",
    "keys",
    "admin_keys",
    "report_delay_s",
    "report_lost_share",
    "analytics",
    "faults",
    "consumers",
    "changes",
    "organization_id",
    "spend_cap_nanousd",
}


def test_the_example_is_a_scenario() -> None:
    example = re.search(r"```toml\n(.*?)```", FORMAT, re.DOTALL)
    assert example
    assert list(arrivals(parse_scenario(example[1], "docs/simulate.md", Path())))


@pytest.mark.parametrize("kind", [WorkflowSettings, Replay, Burst, TwinSettings])
def test_every_key_is_documented(kind: type) -> None:
    missing = [
        field.name
        for field in fields(kind)
        if field.name not in NOT_OF_A_SCENARIO and not re.search(rf"`[{{]?([\w, ]+, )?{field.name}\b", FORMAT)
    ]
    assert missing == []


def test_every_documented_default_is_the_default() -> None:
    defaults = {field.name: field.default for kind in (WorkflowSettings, Replay) for field in fields(kind)}
    for name, said in re.findall(r"^\| `(\w+)` \|.*\| `([\d.]+)` \|$", FORMAT, re.MULTILINE):
        if name in defaults and name != "max_tokens":
            assert float(said) == defaults[name], name
