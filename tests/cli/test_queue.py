"""Who goes when, from the command line: `move`, `explain` and `limits`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from claudeflow.cli.exits import Exit
from tests.cli.running_desk import RunningDesk
from tests.cli.scripted_daemon import CommandLine, ScriptedDaemon
from tests.intake.builders import a_request


def submitted(claudeflow: CommandLine, count: int = 1) -> None:
    lines = "".join(json.dumps(a_request()) + "\n" for _ in range(count))
    assert claudeflow("submit", "--jsonl", "-", stdin=lines).exit_code == Exit.OK


def an_explanation(**changes: Any) -> dict[str, Any]:
    ordinary = {
        "id": 42,
        "state": "queued",
        "rule": "behind",
        "why": "1,234 jobs go first",
        "until": None,
        "ahead": {"flow": 3, "workflow": 5, "lane": 40, "pool": 1_234},
        "goes_at": "2125-11-22T09:01:00.000Z",
    }
    return ordinary | changes


def test_jobs_are_moved_to_a_lane_and_a_priority(claudeflow: CommandLine, desk: RunningDesk) -> None:
    submitted(claudeflow, 2)
    done = claudeflow("move", "1", "2", "--lane", "interactive", "--priority", "50")
    assert done.exit_code == Exit.OK
    assert done.stdout.splitlines() == [
        "job 1 in lane interactive, priority 50",
        "job 2 in lane interactive, priority 50",
    ]
    [record] = json.loads(claudeflow("move", "1", "--priority", "-3", "--json").stdout)
    assert (record["lane"], record["priority"]) == ("interactive", -3)


def test_moving_nowhere_is_a_usage_error(claudeflow: CommandLine, desk: RunningDesk) -> None:
    done = claudeflow("move", "1")
    assert done.exit_code == Exit.USAGE
    assert "--lane" in done.stderr


def test_one_job_that_cannot_be_moved_does_not_stop_the_others(
    claudeflow: CommandLine, desk: RunningDesk
) -> None:
    submitted(claudeflow, 2)
    claudeflow("cancel", "1")
    done = claudeflow("move", "1", "2", "9", "--lane", "bulk")
    assert done.exit_code == Exit.CONFLICT
    assert done.stdout == "job 2 in lane bulk, priority 0\n"
    assert "job 1 is cancelled" in done.stderr
    assert "no job has the id 9" in done.stderr


def test_an_unknown_lane_is_named_with_those_that_exist(claudeflow: CommandLine, desk: RunningDesk) -> None:
    submitted(claudeflow)
    done = claudeflow("move", "1", "--lane", "bluk")
    assert done.exit_code == Exit.USAGE
    assert "bulk" in done.stderr


def test_an_explanation_is_sentences(claudeflow: CommandLine, daemon: ScriptedDaemon) -> None:
    daemon.answers("GET /v1/jobs/42/explain", an_explanation())
    first, second, third = claudeflow("explain", "42").stdout.splitlines()
    assert first == "job 42 is queued: 1,234 jobs go first"
    assert "5 of its workflow (3 of the same model)" in second
    assert "about 40 of its lane, 1,234 of its pool" in second
    assert third.startswith("expected to go in ")


def test_an_explanation_tells_until_when(claudeflow: CommandLine, daemon: ScriptedDaemon) -> None:
    told = an_explanation(
        rule="gate", until="2125-11-22T09:01:00.000Z", ahead=None, goes_at="2001-01-01T00:00:00.000Z"
    )
    daemon.answers("GET /v1/jobs/42/explain", told)
    _, until, goes = claudeflow("explain", "42").stdout.splitlines()
    assert until.startswith("that is looked at again in ")
    assert goes == "expected to go at once, if nothing else comes in"


def test_an_explanation_for_machines_is_the_daemons_own(
    claudeflow: CommandLine, daemon: ScriptedDaemon
) -> None:
    daemon.answers("GET /v1/jobs/42/explain", an_explanation())
    assert json.loads(claudeflow("explain", "42", "--json").stdout) == an_explanation()


@pytest.mark.parametrize("job_id", ["0", "x"])
def test_what_is_no_id_is_a_usage_error(claudeflow: CommandLine, desk: RunningDesk, job_id: str) -> None:
    assert claudeflow("explain", job_id).exit_code == Exit.USAGE


def test_limits_show_pools_buckets_and_who_waits_for_what(claudeflow: CommandLine, desk: RunningDesk) -> None:
    shown = claudeflow("limits").stdout
    for word in ("haiku-5.5", "requests", "assumed", "0.90", "waits for", "bulk", "requests bucket"):
        assert word in shown
    [pool] = json.loads(claudeflow("limits", "--json").stdout)["pools"]
    assert pool["waits"][0]["rule"] == "bucket"


def test_without_pools_there_are_no_limits_to_show(claudeflow: CommandLine, daemon: ScriptedDaemon) -> None:
    daemon.answers("GET /v1/limits", {"pools": []})
    assert claudeflow("limits").stderr == "claudeflow: no pool is in use\n"


def test_limits_are_known_to_a_running_daemon_alone(claudeflow: CommandLine, tmp_path: Path) -> None:
    outcome = claudeflow("limits", "--socket", str(tmp_path / "nobody.sock"))
    assert outcome.exit_code == Exit.UNREACHABLE
    assert outcome.stdout == ""
