"""Submitting one job, against the real server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from claudeflow.cli.exits import Exit
from tests.cli.running_desk import RunningDesk
from tests.cli.scripted_daemon import CommandLine, ScriptedDaemon, a_job, a_message, an_error
from tests.intake.builders import a_request


def a_file(folder: Path, content: Any) -> str:
    path = folder / "job.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def test_a_messages_body_becomes_a_job_and_its_id_is_printed(
    claudeflow: CommandLine, desk: RunningDesk, tmp_path: Path
) -> None:
    done = claudeflow("submit", a_file(tmp_path, a_request()))
    assert (done.exit_code, done.stdout, done.stderr) == (Exit.OK, "1\n", "")
    assert json.loads(desk.jobs[0].body) == a_request()


def test_a_job_comes_from_stdin(claudeflow: CommandLine, desk: RunningDesk) -> None:
    done = claudeflow("submit", "-", stdin=json.dumps({"request": a_request(), "lane": "interactive"}))
    assert done.exit_code == Exit.OK
    assert desk.jobs[0].lane == "interactive"


def test_options_win_over_the_file(claudeflow: CommandLine, desk: RunningDesk, tmp_path: Path) -> None:
    file = a_file(tmp_path, {"request": a_request(), "lane": "bulk", "priority": 1, "workflow": "vendors"})
    options = ("--lane", "interactive", "--priority", "7", "--dedupe-key", "k", "--metadata", "ticket=T-1")
    assert (
        claudeflow("submit", file, *options, "--deadline", "+2h", "--not-before", "+1m").exit_code == Exit.OK
    )
    [job] = desk.jobs
    assert (job.lane, job.priority, job.workflow, job.dedupe_key) == ("interactive", 7, "vendors", "k")
    assert job.metadata == {"ticket": "T-1"}
    assert job.deadline_ms is not None
    assert job.deadline_ms - job.not_before_ms == 119 * 60_000


def test_the_environment_fills_in_what_the_file_does_not_say(
    claudeflow: CommandLine, desk: RunningDesk, tmp_path: Path
) -> None:
    file = a_file(tmp_path, {"request": a_request(), "lane": "interactive"})
    claudeflow("submit", file, CLAUDEFLOW_LANE="bulk", CLAUDEFLOW_WORKFLOW="vendors")
    assert (desk.jobs[0].lane, desk.jobs[0].workflow) == ("interactive", "vendors")


def test_variables_of_a_prompt_come_from_words_and_files(
    claudeflow: CommandLine, desk: RunningDesk, tmp_path: Path
) -> None:
    (tmp_path / "mail.txt").write_text("a = b, and more\n")
    done = claudeflow("submit", "--prompt", "triage", "--input", f"ticket=@{tmp_path / 'mail.txt'}")
    assert done.exit_code == Exit.OK
    assert "a = b, and more\n" in json.loads(desk.jobs[0].body)[0]["content"]


def test_later_variables_win(claudeflow: CommandLine, desk: RunningDesk) -> None:
    claudeflow(
        "submit", "--prompt", "triage", "--input", "-", "--input", "ticket=x=y", stdin='{"ticket": "old"}'
    )
    assert "x=y" in json.loads(desk.jobs[0].body)[0]["content"]


def test_a_known_dedupe_key_answers_with_the_same_id(claudeflow: CommandLine, desk: RunningDesk) -> None:
    body = json.dumps(a_request())
    first = claudeflow("submit", "-", "--dedupe-key", "k", "--json", stdin=body)
    again = claudeflow("submit", "-", "--dedupe-key", "k", "--json", stdin=body)
    assert json.loads(first.stdout) == {"id": 1, "created": True}
    assert json.loads(again.stdout) == {"id": 1, "created": False}


def test_every_mistake_of_a_job_is_a_line(claudeflow: CommandLine, desk: RunningDesk) -> None:
    done = claudeflow("submit", "-", "--lane", "bulkk", stdin=json.dumps(a_request(max_tokens=0)))
    assert done.exit_code == Exit.USAGE
    lines = done.stderr.splitlines()
    assert [line.split(": ")[2] for line in lines] == ["lane", "request.max_tokens"]
    assert desk.jobs == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"model": "m"}', "neither a Messages body"),
        ("{", "is not JSON"),
        ("[]", "must be a JSON object"),
        ('{"messages": [], "messages": []}', "is given twice"),
    ],
)
def test_a_file_that_is_no_job_is_refused_before_it_is_sent(
    claudeflow: CommandLine, daemon: ScriptedDaemon, text: str, message: str
) -> None:
    done = claudeflow("submit", "-", stdin=text)
    assert done.exit_code == Exit.USAGE
    assert message in done.stderr
    assert daemon.asked == []


def test_waiting_prints_the_answer(claudeflow: CommandLine, daemon: ScriptedDaemon) -> None:
    daemon.answers("POST /v1/jobs", {"id": 42, "created": True}, status=201)
    daemon.answers("GET /v1/jobs/42", a_job())
    daemon.answers("GET /v1/jobs/42", a_job(state="succeeded", result=a_message("Hello")))
    done = claudeflow("submit", "-", "--wait", stdin=json.dumps(a_request()))
    assert (done.exit_code, done.stdout) == (Exit.OK, "Hello\n")
    assert done.stderr == "claudeflow: job 42 submitted\n"


def test_waiting_for_a_job_that_fails_is_exit_code_7(claudeflow: CommandLine, daemon: ScriptedDaemon) -> None:
    daemon.answers("POST /v1/jobs", {"id": 42, "created": True}, status=201)
    daemon.answers("GET /v1/jobs/42", a_job(state="failed", error=an_error()))
    done = claudeflow("submit", "-", "--wait=5", stdin=json.dumps(a_request()))
    assert done.exit_code == Exit.JOB_NOT_SUCCEEDED
    assert "invalid_request_error (400): prompt is too long" in done.stderr


def test_waiting_too_long_is_exit_code_8(claudeflow: CommandLine, daemon: ScriptedDaemon) -> None:
    daemon.answers("POST /v1/jobs", {"id": 42, "created": True}, status=201)
    daemon.answers("GET /v1/jobs/42", a_job(wait_reason="pool haiku is throttled"))
    done = claudeflow("submit", "-", "--wait=0", stdin=json.dumps(a_request()))
    assert done.exit_code == Exit.WAIT_TIMED_OUT
    assert "job 42 is still queued: pool haiku is throttled" in done.stderr


def test_a_person_at_a_terminal_reads_a_sentence(
    claudeflow: CommandLine, desk: RunningDesk, tmp_path: Path
) -> None:
    file = a_file(tmp_path, a_request())
    ours, theirs = os.openpty()
    command = [
        sys.executable,
        "-m",
        "claudeflow.cli.main",
        "--socket",
        str(claudeflow.socket),
        "submit",
        file,
    ]
    subprocess.run(command, stdout=theirs, check=True)
    os.close(theirs)
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        assert terminal.read(1000).decode().strip() == "job 1 queued in lane bulk"
