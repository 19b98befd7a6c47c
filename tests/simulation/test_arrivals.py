"""Arrivals: how many jobs come, when, and what they ask for."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path
from statistics import mean, pvariance

import orjson
import pytest

from claudeflow.simulation.arrivals import Arrival, arrivals
from claudeflow.simulation.examples import find_examples
from claudeflow.simulation.scenario import load_scenario
from tests.simulation.builders import a_scenario, a_workflow, arrivals_of, user_text

HOUR_S = 3_600
DAY_S = 24 * HOUR_S


def times(found: list[Arrival], workflow: str = "tickets") -> list[float]:
    return [arrival.at_s for arrival in found if arrival.job["workflow"] == workflow]


def digest(scenario_file: Path) -> str:
    """One hash over every byte of every arrival."""
    scenario = load_scenario(scenario_file)
    summary = hashlib.sha256()
    for arrival in arrivals(scenario):
        summary.update(orjson.dumps([arrival.at_s, arrival.job]))
    return summary.hexdigest()


def test_jobs_come_as_often_as_the_rate_says_with_the_spread_of_chance() -> None:
    counts = [
        len(arrivals_of(a_workflow("rates = {else = 120}"), duration="1h", seed=seed)) for seed in range(200)
    ]
    assert mean(counts) == pytest.approx(120, abs=2)
    assert pvariance(counts) == pytest.approx(120, rel=0.3)


def test_gaps_between_jobs_are_as_random_as_people_are() -> None:
    found = times(arrivals_of(a_workflow("rates = {else = 3600}"), duration="3h"))
    gaps = [later - earlier for earlier, later in pairwise(found)]
    assert mean(gaps) == pytest.approx(1.0, rel=0.05)
    assert pvariance(gaps) == pytest.approx(1.0, rel=0.1)
    assert sum(gap > 3 for gap in gaps) / len(gaps) == pytest.approx(0.05, abs=0.01)


def test_the_first_line_that_covers_the_hour_sets_the_rate() -> None:
    rates = 'rates = {"2026-11-17 09-10" = 0, "Tue 08-10" = 600, "Wed" = 0, else = 60}'
    found = times(arrivals_of(a_workflow(rates), duration="2d"))
    by_hour = Counter(int(at_s // HOUR_S) for at_s in found)
    assert by_hour[0] == pytest.approx(600, abs=100)
    assert by_hour[1] == 0
    assert by_hour[2] == pytest.approx(60, abs=30)
    assert all(not by_hour[hour] for hour in range(16, 40))
    assert by_hour[40] > 30


@pytest.mark.parametrize(
    ("day", "hours", "first_hour"),
    [("2026-03-28", 9, 8), ("2026-03-29", 9, 7), ("2026-10-25", 9, 9), ("2026-10-26", 9, 8)],
)
def test_office_hours_are_local_on_days_when_the_clocks_change(day: str, hours: int, first_hour: int) -> None:
    found = times(arrivals_of(a_workflow('rates = {"08-17" = 600}'), starts=f"{day}T00:00", duration="24h"))
    busy = sorted({int(at_s // HOUR_S) for at_s in found})
    assert busy == list(range(first_hour, first_hour + hours))


def test_an_hour_that_the_clocks_show_twice_brings_twice_the_jobs() -> None:
    workflow = a_workflow('rates = {"02-03" = 3000}')
    counts = {
        day: len(arrivals_of(workflow, starts=f"{day}T00:00", duration="24h"))
        for day in ("2026-10-24", "2026-10-25", "2026-03-29")
    }
    assert counts["2026-10-25"] == pytest.approx(2 * counts["2026-10-24"], rel=0.1)
    assert counts["2026-03-29"] == 0


def test_the_same_rates_in_another_zone_come_at_another_time() -> None:
    workflow = a_workflow('rates = {"08-09" = 600}')
    found = times(arrivals_of(workflow, starts="2026-11-17T00:00", zone="Asia/Kolkata", duration="24h"))
    assert all(8 * HOUR_S <= at_s < 9 * HOUR_S for at_s in found)


def test_a_burst_comes_whole_within_its_seconds() -> None:
    burst = 'burst = [{at = "10:17", jobs = 800, within_s = 30}]'
    found = times(arrivals_of(a_workflow(burst)))
    assert len(found) == 800
    assert all(8_220 <= at_s <= 8_250 for at_s in found)
    assert mean(found) == pytest.approx(8_235, abs=1)


def test_bursts_come_on_each_of_their_days() -> None:
    burst = 'burst = [{at = "Mon-Fri 02:00", jobs = 5}, {at = "Sat 03:00", jobs = 2}]'
    found = times(arrivals_of(a_workflow(burst), starts="2026-11-16T00:00", duration="7d"))
    days = Counter(int(at_s // DAY_S) for at_s in found)
    assert days == {0: 5, 1: 5, 2: 5, 3: 5, 4: 5, 5: 2}


def test_a_backlog_is_there_at_the_start() -> None:
    assert times(arrivals_of(a_workflow("backlog = 40"))) == [0.0] * 40


def test_a_trace_is_replayed_at_its_speed_as_often_as_asked(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("when,in,out\n5,100,7\n7,200,8\n9,300,9\n")
    columns = 'time = "when", input = "in", output = "out"'
    trace = f'trace = {{file = "t.csv", {columns}, speed = 2, repeat = 2, after = "1m"}}'
    scenario = a_scenario(a_workflow(trace, input_tokens=""), folder=tmp_path)
    found = list(arrivals(scenario))
    assert times(found) == [60, 61, 62, 63, 64, 65]
    assert [user_text(arrival).partition("[[")[2] for arrival in found[:3]] == [
        "answer 7 tokens]]",
        "answer 8 tokens]]",
        "answer 9 tokens]]",
    ]
    assert len(user_text(found[2])) == pytest.approx(3 * len(user_text(found[0])), rel=0.05)


def test_jobs_that_no_row_brought_have_sizes_from_the_trace_too(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n0,100,7\n1,900,8\n")
    workflow = a_workflow('trace = {file = "t.csv", after = "2h"}\nbacklog = 50', input_tokens="")
    found = list(arrivals(a_scenario(workflow, folder=tmp_path, duration="1h")))
    assert {user_text(arrival)[-17:] for arrival in found} == {"answer 7 tokens]]", "answer 8 tokens]]"}


def test_what_all_requests_of_a_trace_share_becomes_the_system_text(tmp_path: Path) -> None:
    rows = [
        {"timestamp": 0, "input_length": 2_000, "output_length": 5, "hash_ids": [0, 1, n]} for n in (2, 3)
    ]
    (tmp_path / "m.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    workflow = a_workflow('trace = {file = "m.jsonl"}\nsystem_tokens = "trace"', input_tokens="")
    first, second = (arrival.job["request"] for arrival in arrivals(a_scenario(workflow, folder=tmp_path)))
    assert first["system"] == second["system"]
    assert first["messages"] != second["messages"]
    assert len(first["system"][0]["text"]) == pytest.approx(
        1_024 / 976 * len(first["messages"][0]["content"]), rel=0.02
    )


def test_jobs_are_what_producers_send() -> None:
    keys = 'backlog = 1\nlane = "bulk"\nsystem_tokens = 50\nmax_tokens = 99\noutput_tokens = 33\n'
    keys += 'priority = 7\ndeadline = "10m"\n'
    (arrival,) = arrivals_of(a_workflow(keys))
    request = arrival.job["request"]
    assert {key: arrival.job[key] for key in ("workflow", "lane", "priority", "deadline")} == {
        "workflow": "tickets",
        "lane": "bulk",
        "priority": 7,
        "deadline": "+600s",
    }
    assert (request["model"], request["max_tokens"]) == ("claude-haiku-5-5", 99)
    assert request["system"][0]["text"].startswith("You work for tickets.")
    assert user_text(arrival).endswith("[[answer 33 tokens]]")


def test_only_the_share_asked_for_has_a_priority_or_a_deadline() -> None:
    keys = 'backlog = 4000\npriority = 5\npriority_share = 0.25\ndeadline = "30s"\ndeadline_share = 0.5'
    jobs = [arrival.job for arrival in arrivals_of(a_workflow(keys))]
    assert sum("priority" in job for job in jobs) == pytest.approx(1_000, abs=100)
    assert sum("deadline" in job for job in jobs) == pytest.approx(2_000, abs=120)


def test_given_texts_are_used_in_turn(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("text\nlost card\nwrong pin\n")
    workflow = a_workflow('texts = "t.csv"\nbacklog = 3\noutput_tokens = 9', input_tokens="")
    found = arrivals(a_scenario(workflow, folder=tmp_path))
    assert [user_text(arrival).partition("\n")[0] for arrival in found] == [
        "lost card",
        "wrong pin",
        "lost card",
    ]


def test_arrivals_of_all_workflows_come_in_order_of_time() -> None:
    found = [
        arrival.at_s
        for arrival in arrivals_of(
            a_workflow("rates = {else = 500}\nbacklog = 3", name="one"),
            a_workflow('rates = {else = 100}\nburst = [{at = "09:00", jobs = 50, within_s = 9}]', name="two"),
        )
    ]
    assert found == sorted(found)
    assert found[-1] < 3 * HOUR_S


def test_another_workflow_changes_nothing_for_the_first() -> None:
    one = a_workflow("rates = {else = 100}", name="one")
    two = a_workflow("rates = {else = 100}", name="two")
    alone, beside = arrivals_of(one), arrivals_of(two, one)
    assert alone == [arrival for arrival in beside if arrival.job["workflow"] == "one"]
    assert times(beside, "one") != times(beside, "two")


def test_another_seed_gives_another_day() -> None:
    workflow = a_workflow("rates = {else = 100}")
    assert arrivals_of(workflow, seed=1) == arrivals_of(workflow, seed=1)
    assert arrivals_of(workflow, seed=1) != arrivals_of(workflow, seed=2)


@pytest.mark.parametrize("name", ["overload-529", "trace-replay"])
def test_another_process_sees_the_same_arrivals(name: str) -> None:
    path = find_examples() / "scenarios" / f"{name}.toml"
    program = (
        "import sys; from pathlib import Path; from tests.simulation.test_arrivals import digest;"
        "print(digest(Path(sys.argv[1])))"
    )
    digests = {digest(path)}
    for hash_seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", program, str(path)],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(done.stdout.strip())
    assert len(digests) == 1
