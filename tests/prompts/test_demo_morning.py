"""The demo's morning: enough work, spread as a real morning is, and the same every time."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from claudeflow.cli.demo.morning import Arrival, morning
from claudeflow.domain.errors import ClaudeflowError
from claudeflow.prompts import load_prompts, render
from claudeflow.simulation.examples import find_examples

EXAMPLES = find_examples()
PROMPTS = load_prompts(EXAMPLES / "prompts")


def prompts_of(arrivals: list[Arrival]) -> Counter[str]:
    return Counter(arrival.job["prompt"] for arrival in arrivals)


def test_a_morning_has_hundreds_of_jobs_of_six_workflows_over_three_lanes() -> None:
    arrivals = morning(EXAMPLES)
    lanes = Counter(PROMPTS[arrival.job["prompt"]].lane for arrival in arrivals)

    assert len(arrivals) == 330
    assert prompts_of(arrivals).keys() == PROMPTS.keys()
    assert lanes.keys() == {"interactive", "standard", "bulk"}
    assert lanes["bulk"] > lanes["interactive"]


def test_arrivals_come_in_order_within_eight_seconds() -> None:
    times = [arrival.at_s for arrival in morning(EXAMPLES)]

    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] < 8


def test_bulk_work_comes_as_a_flood_while_tickets_keep_trickling() -> None:
    arrivals = morning(EXAMPLES)
    flood = [arrival for arrival in arrivals if PROMPTS[arrival.job["prompt"]].lane == "bulk"]
    tickets = [arrival.at_s for arrival in arrivals if arrival.job["prompt"] == "ticket-triage"]

    assert all(2.0 <= arrival.at_s <= 2.5 for arrival in flood)
    assert min(tickets) < 1
    assert max(tickets) > 6


def test_the_same_seed_gives_the_same_morning_and_another_seed_another() -> None:
    assert morning(EXAMPLES, seed=3) == morning(EXAMPLES, seed=3)
    assert morning(EXAMPLES, seed=3) != morning(EXAMPLES, seed=4)


@pytest.mark.parametrize("jobs", [6, 7, 50, 330, 3_000])
def test_a_morning_has_exactly_the_jobs_asked_for(jobs: int) -> None:
    arrivals = morning(EXAMPLES, jobs=jobs)

    assert len(arrivals) == jobs
    assert len(prompts_of(arrivals)) == 6


def test_fewer_jobs_than_workflows_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 6 jobs"):
        morning(EXAMPLES, jobs=5)


def test_every_job_of_a_long_morning_renders() -> None:
    for arrival in morning(EXAMPLES, jobs=3_000):
        render(PROMPTS[arrival.job["prompt"]], arrival.job["input"])


def test_jobs_are_what_producers_send() -> None:
    for arrival in morning(EXAMPLES):
        assert arrival.job.keys() == {"prompt", "input", "priority", "metadata"}
        assert json.loads(json.dumps(arrival.job)) == arrival.job
        assert all(isinstance(value, str) for value in arrival.job["metadata"].values())


def test_missing_inputs_are_named(tmp_path: Path) -> None:
    with pytest.raises(ClaudeflowError, match=r"the examples are incomplete: .*banking77-test-800\.csv"):
        morning(tmp_path)


def test_examples_are_found_inside_the_package_or_beside_it(tmp_path: Path) -> None:
    package = tmp_path / "claudeflow"
    with pytest.raises(ClaudeflowError, match="install claudeflow again"):
        find_examples(package)

    (tmp_path / "examples" / "prompts" / "ticket-triage").mkdir(parents=True)
    assert find_examples(package) == tmp_path / "examples"

    (package / "examples" / "prompts" / "ticket-triage").mkdir(parents=True)
    assert find_examples(package) == package / "examples"
