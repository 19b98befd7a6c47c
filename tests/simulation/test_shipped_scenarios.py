"""The scenarios that come with claudeflow: each loads, and is what its header says."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from claudeflow.simulation.arrivals import arrivals
from claudeflow.simulation.examples import shipped_scenarios
from claudeflow.simulation.scenario import load_scenario

SHIPPED = shipped_scenarios()
COUNT_WORDS = {2: "two", 3: "three"}
every_scenario = pytest.mark.parametrize("path", SHIPPED.values(), ids=SHIPPED.keys())


def header(path: Path) -> str:
    """The comment at the top, as one line."""
    lines = path.read_text(encoding="utf-8").partition("\n\n")[0].splitlines()
    return " ".join(line.removeprefix("#").strip() for line in lines)


def test_the_scenarios_that_the_documentation_promises_are_there() -> None:
    assert set(SHIPPED) == {
        "audit-week",
        "day-40k",
        "noisy-neighbour",
        "overload-529",
        "peak-morning",
        "shutdown-week",
        "story-month",
        "tier-change",
        "trace-replay",
        "tuesday-10-17",
    }


@every_scenario
def test_a_scenario_is_named_after_its_file_and_says_what_it_is_for(path: Path) -> None:
    scenario = load_scenario(path)
    assert scenario.name == path.stem
    assert scenario.description.endswith(".")
    assert re.match(r"Question: .+\? .*Look at: .+ Jobs: ", header(path))


@every_scenario
def test_a_scenario_has_as_many_jobs_as_its_header_says(path: Path) -> None:
    jobs = [arrival.job for arrival in arrivals(load_scenario(path))]
    said = re.search(r"Jobs:\s+([\d,]+) in (\d+) workflows and (\w+) lanes", header(path))
    assert said
    assert (f"{len(jobs):,}", int(said[2])) == (said[1], len({job["workflow"] for job in jobs}))
    assert COUNT_WORDS[len({job["lane"] for job in jobs})] == said[3]


def test_after_17_past_10_on_tuesday_135_jobs_come_each_minute() -> None:
    """1,742 - 118 jobs in the twelve minutes in which nothing goes out."""
    scenario = load_scenario(SHIPPED["tuesday-10-17"])
    (storm,) = scenario.twin.faults
    assert storm.until_s - storm.from_s == 12 * 60
    came = sum(storm.from_s <= arrival.at_s < storm.until_s for arrival in arrivals(scenario))
    assert came == 1_742 - 118


def test_the_day_has_40_000_jobs() -> None:
    lanes = Counter(arrival.job["lane"] for arrival in arrivals(load_scenario(SHIPPED["day-40k"])))
    assert lanes.total() == pytest.approx(40_000, rel=0.02)
    assert lanes.keys() == {"interactive", "standard", "bulk"}
