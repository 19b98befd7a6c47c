"""`claudeflow simulate`: from a scenario to tables, files and exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from claudeflow.cli.exits import Exit
from tests.cli.scripted_daemon import CommandLine

SCENARIO = """\
name = "small-storm"
description = "Two minutes with a storm in the middle."
seed = 7
starts = "2026-11-17T10:16"
zone = "Europe/Berlin"
duration = "{duration}"

[api]
ttft_s = 0.5
tokens_per_s = 60

[[fault]]
kind = "rate_429"
at = "10:16:30"
lasts = "20s"
countdown = true

[[workflow]]
name = "tickets"
lane = "interactive"
model = "claude-haiku-5-5"
rates = {{else = 600}}
input_tokens = 100
output_tokens = 20
"""

CONFIG = """\
[lanes.interactive]
weight = 8.0

[lanes.standard]
weight = 3.0

[lanes.bulk]
weight = 1.0
"""

HEAVY = ("anthropic", "pydantic", "rich", "jinja2", "claudeflow.simulation")


@pytest.fixture
def storm(tmp_path: Path) -> str:
    path = tmp_path / "storm.toml"
    path.write_text(SCENARIO.format(duration="2m"))
    return str(path)


@pytest.fixture
def calm(claudeflow: CommandLine) -> CommandLine:
    """A command line whose configuration is good for a simulation."""
    claudeflow.config.write_text(CONFIG)
    return claudeflow


def a_config(folder: Path, name: str) -> str:
    path = folder / name
    path.write_text(CONFIG)
    return str(path)


def test_help_imports_nothing_that_simulates() -> None:
    program = (
        "import sys, claudeflow.cli.main as m; m.cli.main(['simulate', '--help'], standalone_mode=False); "
        f"print('HEAVY', *(name for name in {HEAVY!r} if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "SCENARIO" in done.stdout
    assert done.stdout.splitlines()[-1].split() == ["HEAVY"]


def test_the_shipped_scenarios_are_listed(calm: CommandLine) -> None:
    done = calm("simulate", "--list")
    assert done.exit_code == Exit.OK
    assert any(line.startswith("tuesday-10-17") and "5h" in line for line in done.stdout.splitlines())
    listed = json.loads(calm("simulate", "--list", "--json").stdout)
    assert {"audit-week", "noisy-neighbour", "tier-change"} <= {one["name"] for one in listed}
    assert all(one["duration_s"] and one["description"] for one in listed)


def test_a_run_ends_in_tables(calm: CommandLine, storm: str) -> None:
    done = calm("simulate", storm)
    assert done.exit_code == Exit.OK, done.stderr
    assert "small-storm: Tuesday 17 November 2026, 10:16 to 10:18 (Europe/Berlin)" in done.stdout
    assert "0 calls before retry-after" in done.stdout
    assert any(line.split()[:1] == ["tickets"] for line in done.stdout.splitlines())
    assert "haiku-5.5 output tokens" in done.stdout
    assert "rate_429" in done.stdout
    assert "--out DIR" in done.stderr


def test_out_keeps_a_result_and_a_page(calm: CommandLine, storm: str, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    done = calm("simulate", storm, "--out", str(out))
    assert done.exit_code == Exit.OK, done.stderr
    result = json.loads((out / "result.json").read_bytes())
    assert (result["about"]["scenario"], result["schema"]) == ("small-storm", 1)
    assert result["totals"]["submitted"] > 10
    assert result["totals"]["throttled"] > 0
    assert result["witness"]["early_calls"] == 0
    assert "<title>small-storm" in (out / "report.html").read_text()
    assert f"wrote {out / 'report.html'}" in done.stderr


def test_the_same_scenario_gives_the_same_bytes(calm: CommandLine, storm: str, tmp_path: Path) -> None:
    for name in ("a", "b"):
        calm("simulate", storm, "--out", str(tmp_path / name), "--events", str(tmp_path / f"{name}.jsonl"))
    for kept in ("result.json", "report.html"):
        assert (tmp_path / "a" / kept).read_bytes() == (tmp_path / "b" / kept).read_bytes()
    events = (tmp_path / "a.jsonl").read_bytes()
    assert events == (tmp_path / "b.jsonl").read_bytes()
    assert {json.loads(line)["event"] for line in events.splitlines()} >= {"JobsSubmitted", "PoolGated"}


def test_another_seed_is_another_day(calm: CommandLine, storm: str) -> None:
    days = [
        calm("simulate", storm, "--json", *seed).stdout for seed in ((), ("--seed", "7"), ("--seed", "8"))
    ]
    results: list[dict[str, Any]] = [json.loads(day) for day in days]
    assert results[0] == results[1]
    assert results[1]["totals"]["wait"] != results[2]["totals"]["wait"]


def test_until_ends_a_run_early(calm: CommandLine, storm: str) -> None:
    result = json.loads(calm("simulate", storm, "--json", "--until", "20s").stdout)
    assert result["simulated_s"] == 20.0
    assert result["complete"]
    assert result["totals"]["throttled"] == 0


def test_several_configurations_run_in_processes_and_are_compared(
    calm: CommandLine, storm: str, tmp_path: Path
) -> None:
    files = a_config(tmp_path, "day.toml"), a_config(tmp_path, "night.toml")
    options = ("--until", "30s", "--processes", "2", "--out", str(tmp_path / "out"))
    done = calm("simulate", storm, "--compare", *files, *options)
    assert done.exit_code == Exit.OK, done.stderr
    header = done.stdout.splitlines()[1]
    assert header.split() == ["claudeflow", "day", "night"]
    comparison = json.loads((tmp_path / "out" / "comparison.json").read_bytes())
    assert comparison["runs"] == ["claudeflow", "day", "night"]
    kept = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert kept == [
        "comparison.json",
        "report.html",
        "result-1-claudeflow.json",
        "result-2-day.json",
        "result-3-night.json",
    ]


def test_an_earlier_result_stands_beside_a_new_run(calm: CommandLine, storm: str, tmp_path: Path) -> None:
    calm("simulate", storm, "--until", "20s", "--out", str(tmp_path / "before"))
    earlier = str(tmp_path / "before" / "result.json")
    done = calm("simulate", storm, "--until", "20s", "--tier", "build", "--json", "--compare", earlier)
    told = json.loads(done.stdout)
    assert told["runs"] == ["claudeflow, tier build", "claudeflow (before)"]
    assert len(told["results"]) == 2


def test_tiers_change_the_limits(calm: CommandLine, storm: str) -> None:
    options = ("--until", "20s", "--processes", "1", "--tier", "start", "--tier", "scale", "--json")
    start, scale = json.loads(calm("simulate", storm, *options).stdout)["results"]
    limits = [result["buckets"][0]["limit_per_min"] for result in (start, scale)]
    assert limits[0] < limits[1]


WRONG = [
    ((), Exit.USAGE, "--list shows the names"),
    (
        ("no-such-day",),
        Exit.USAGE,
        "no-such-day: no such file, and no scenario of this name",
    ),
    (("missing.toml",), Exit.BAD_CONFIG, "missing.toml: No such file or directory"),
    (("tuesday-10-17", "audit-week"), Exit.USAGE, "one SCENARIO at a time; found also audit-week"),
    (("tuesday-10-17", "--until", "soon"), Exit.USAGE, "--until"),
    (("tuesday-10-17", "--compare", "gone.toml"), Exit.BAD_CONFIG, "gone.toml"),
    (("tuesday-10-17", "--compare", "gone.json"), Exit.USAGE, "gone.json: No such file or directory"),
    (("tuesday-10-17", "--tier", "start", "--tier", "build", "--events", "e"), Exit.USAGE, "--events"),
    (("tuesday-10-17", "--processes", "0"), Exit.USAGE, "--processes"),
]


@pytest.mark.parametrize(("arguments", "code", "message"), WRONG)
def test_mistakes_are_named_before_anything_runs(
    calm: CommandLine, arguments: tuple[str, ...], code: Exit, message: str
) -> None:
    done = calm("simulate", *arguments)
    assert done.exit_code == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_every_mistake_of_a_scenario_is_named_with_its_place(calm: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(SCENARIO.format(duration="soon").replace("claude-haiku-5-5", "claude-2"))
    done = calm("simulate", str(path))
    assert done.exit_code == Exit.BAD_CONFIG
    assert f"{path}: duration: " in done.stderr
    assert f"{path}: workflow.tickets.model: " in done.stderr


@pytest.mark.parametrize("option", ["--out", "--events"])
def test_a_place_that_cannot_be_written_is_named_before_the_run(
    calm: CommandLine, storm: str, tmp_path: Path, option: str
) -> None:
    (tmp_path / "file").write_text("")
    place = tmp_path / "file" / "deeper"
    done = calm("simulate", storm, option, str(place))
    assert done.exit_code == Exit.FAILED
    assert f"{option} {place}: Not a directory" in done.stderr
    assert not done.stdout


@contextmanager
def started(folder: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A simulation of a week in a session of its own, of which nothing is left afterwards."""
    scenario = folder / "long.toml"
    scenario.write_text(SCENARIO.format(duration="7d"))
    with subprocess.Popen(
        [sys.executable, "-m", "claudeflow.cli.main", "simulate", str(scenario), *options],
        env={**os.environ, "CLAUDEFLOW_CONFIG": a_config(folder, "cf.toml")},
        stderr=subprocess.PIPE,
        text=True,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=_mind_interrupts,  # noqa: PLW1509 - the tests run no thread of ours
    ) as running:
        try:
            yield running
        finally:
            with suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)


def _mind_interrupts() -> None:
    """A test runner in the background may ignore Ctrl-C, and so would its children."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def wait_until(running: subprocess.Popen[str], come: Callable[[], bool]) -> None:
    while not come():
        assert running.poll() is None
        time.sleep(0.05)


def test_ctrl_c_ends_with_what_there_is(tmp_path: Path) -> None:
    events, out = tmp_path / "events.jsonl", tmp_path / "out"
    with started(tmp_path, "--out", str(out), "--events", str(events)) as running:
        wait_until(running, lambda: events.exists() and events.stat().st_size > 0)
        os.killpg(running.pid, signal.SIGINT)
        _, said = running.communicate()
    assert running.returncode == Exit.INTERRUPTED, said
    assert json.loads((out / "result.json").read_bytes())["complete"] is False
    assert "interrupted" in said
    assert "Traceback" not in said


def test_ctrl_c_ends_every_process(tmp_path: Path) -> None:
    with started(tmp_path, "--tier", "start", "--tier", "build", "--processes", "2") as running:
        children = Path(f"/proc/{running.pid}/task/{running.pid}/children")
        wait_until(running, lambda: len(children.read_text().split()) >= 3)
        os.killpg(running.pid, signal.SIGINT)
        _, said = running.communicate()
    assert running.returncode == Exit.INTERRUPTED, said
    assert "Traceback" not in said
