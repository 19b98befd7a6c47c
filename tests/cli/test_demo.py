"""The demo with real processes: a morning on the twin, a few jobs on what stands in for the real API."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from claudeflow.cli.exits import Exit
from claudeflow.twin.child import TwinProcess, twin_process
from tests.cli.scripted_daemon import CommandLine

DEMO = [sys.executable, "-m", "claudeflow.cli.main", "demo"]
KEY = "sk-ant-only-for-this-test"


@pytest.fixture(scope="module")
def real_api() -> Iterator[TwinProcess]:
    """Stands in for the real API."""
    with twin_process() as process:
        yield process


def test_a_morning_ends_with_every_job_done_and_books_that_equal_the_invoice(tmp_path: Path) -> None:
    stage = tmp_path / "a morning"
    command = [*DEMO, "--jobs", "12", "--json", "--keep", str(stage)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == Exit.OK, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["jobs"], summary["succeeded"], summary["left"]) == (12, 12, 0)
    assert [lane["lane"] for lane in summary["lanes"]] == ["interactive", "standard", "bulk"]
    assert summary["invoice_nanousd"] == summary["settled_nanousd"] > 0
    assert summary["books_agree"]
    assert "12 of 12 jobs finished" in done.stderr
    listed = [*DEMO[:-1], "list", "--json", "--config", summary["config"]]
    jobs = json.loads(subprocess.run(listed, capture_output=True, check=True).stdout)["jobs"]
    assert [job["state"] for job in jobs] == ["succeeded"] * 12


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_that_is_interrupted_leaves_no_process_behind(tmp_path: Path, number: signal.Signals) -> None:
    stage = tmp_path / "stage"
    with subprocess.Popen(
        [*DEMO, "--keep", str(stage)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as demo:
        assert demo.stdout is not None
        assert "0 of 330 jobs finished" in demo.stdout.readline()
        daemon = int((stage / "claudeflow.db.lock").read_text())
        demo.send_signal(number)
        _, said = demo.communicate()
    assert demo.returncode == Exit.INTERRUPTED
    assert f"interrupted; what was done is in {stage}" in said
    with pytest.raises(ProcessLookupError):
        os.kill(daemon, 0)


def test_live_jobs_go_to_the_real_api_and_cost_what_the_books_say(
    claudeflow: CommandLine, real_api: TwinProcess
) -> None:
    stage = claudeflow.folder / "stage"
    done = claudeflow(
        *("demo", "--live", "--yes", "--json", "--jobs", "4", "--keep", str(stage)),
        ANTHROPIC_API_KEY=KEY,
        ANTHROPIC_BASE_URL=real_api.address,
    )
    assert done.exit_code == Exit.OK, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["succeeded"], summary["failed"]) == (4, 0)
    assert 0 < summary["settled_nanousd"] < 12_000_000
    assert summary["invoice_nanousd"] is None
    kept = b"".join(path.read_bytes() for path in stage.iterdir())
    assert KEY.encode() not in kept


def test_live_shows_the_most_it_can_cost_and_sends_nothing_without_a_yes(
    claudeflow: CommandLine, real_api: TwinProcess
) -> None:
    environ = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": real_api.address}
    done = claudeflow("demo", "--live", "--max-cost", "0.01", stdin="n\n", **environ)
    assert done.exit_code == Exit.FAILED
    assert f"Jobs to send to {real_api.address}: 2 of 8 (more do not fit under --max-cost)." in done.stderr
    assert "at most" in done.stderr
    assert "nothing was sent" in done.stderr


def test_live_without_a_key_says_where_to_put_it(claudeflow: CommandLine) -> None:
    done = claudeflow("demo", "--live", ANTHROPIC_API_KEY="")
    assert done.exit_code == Exit.USAGE
    assert "ANTHROPIC_API_KEY" in done.stderr


def test_live_refuses_when_not_even_one_job_fits(claudeflow: CommandLine) -> None:
    done = claudeflow("demo", "--live", "--yes", "--max-cost", "0.0001", ANTHROPIC_API_KEY=KEY)
    assert done.exit_code == Exit.USAGE
    assert "--max-cost $0.000100 does not cover one job" in done.stderr


def test_live_says_why_jobs_failed(claudeflow: CommandLine) -> None:
    environ = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": "http://127.0.0.1:1"}
    keep = str(claudeflow.folder / "stage")
    done = claudeflow("demo", "--live", "--yes", "--jobs", "2", "--keep", keep, **environ)
    assert done.exit_code == Exit.FAILED
    assert "0 of 2 jobs done" in done.stdout
    assert "The last one that failed: connection_error" in done.stdout
    assert "--state failed" in done.stdout


def test_a_morning_is_at_least_one_job_for_each_workflow(claudeflow: CommandLine) -> None:
    done = claudeflow("demo", "--jobs", "3")
    assert done.exit_code == Exit.USAGE
    assert "a morning of six workflows has at least 7" in done.stderr


def test_a_folder_that_holds_something_is_left_alone(claudeflow: CommandLine) -> None:
    done = claudeflow("demo", "--keep", str(claudeflow.folder))
    assert done.exit_code == Exit.USAGE
    assert "the folder is not empty" in done.stderr
