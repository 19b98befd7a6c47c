"""Looking at jobs, waiting for them and changing them."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from rich.console import Console

from claudeflow.cli.exits import Exit
from claudeflow.cli.tries_board import tries_board
from tests.cli.running_desk import RunningDesk
from tests.cli.scripted_daemon import CommandLine, ScriptedDaemon, a_job, a_message, an_error
from tests.intake.builders import a_request


def submitted(claudeflow: CommandLine, count: int = 1) -> None:
    lines = "".join(json.dumps(a_request()) + "\n" for _ in range(count))
    assert claudeflow("submit", "--jsonl", "-", stdin=lines).exit_code == Exit.OK


def test_list_is_a_table_of_the_newest_jobs(claudeflow: CommandLine, daemon: ScriptedDaemon) -> None:
    failed = a_job(7, "failed", error=an_error(), attempts=3)
    daemon.answers("GET /v1/jobs", {"jobs": [a_job(8, wait_reason="lane is full"), failed], "next": None})
    done = claudeflow("list")
    head, *rows = done.stdout.splitlines()
    assert head.split() == ["id", "state", "lane", "workflow", "model", "age", "attempts", "reason"]
    assert [row.split()[:2] for row in rows] == [["8", "queued"], ["7", "failed"]]
    assert rows[0].rstrip().endswith("lane is full")
    assert rows[1].rstrip().endswith("invalid_request_error (400): prompt is too long")


def test_list_hands_its_filters_on(claudeflow: CommandLine, daemon: ScriptedDaemon) -> None:
    daemon.answers("GET /v1/jobs", {"jobs": [], "next": None})
    options = ("--state", "failed", "--lane", "bulk", "--workflow", "w", "--before", "9", "--limit", "3")
    done = claudeflow("list", *options)
    query = {"state": "failed", "lane": "bulk", "workflow": "w", "before": "9", "limit": "3"}
    assert daemon.asked[0].query == query
    assert (done.stdout, done.stderr) == ("", "claudeflow: no such jobs\n")


def test_list_says_how_to_go_on(claudeflow: CommandLine, desk: RunningDesk) -> None:
    submitted(claudeflow, 3)
    done = claudeflow("list", "--limit", "2")
    assert done.stderr == "claudeflow: there are more: --before 2\n"
    page = json.loads(claudeflow("list", "--before", "2", "--json").stdout)
    assert [job["id"] for job in page["jobs"]] == [1]


def test_no_jobs_yet_is_said(claudeflow: CommandLine, desk: RunningDesk) -> None:
    assert claudeflow("list").stderr == "claudeflow: no jobs yet\n"


def test_text_from_outside_cannot_drive_the_terminal(claudeflow: CommandLine, daemon: ScriptedDaemon) -> None:
    job = a_job(wait_reason="\x1b]0;gotcha\x07[bold]x[/bold]")
    daemon.answers("GET /v1/jobs", {"jobs": [job], "next": None})
    daemon.answers("GET /v1/jobs/42", job)
    for done in (claudeflow("list"), claudeflow("show", "42")):
        assert "\x1b" not in done.stdout
        assert "[bold]x[/bold]" in done.stdout


def test_show_tells_everything_that_is_known(claudeflow: CommandLine, daemon: ScriptedDaemon) -> None:
    job = a_job(
        state="failed",
        prompt={"name": "triage", "version": "3f0c9a"},
        finished_at="2026-11-22T09:01:00.000Z",
        attempts=2,
        tries=5,
        crash_count=1,
        error=an_error(code="too_long"),
        cost_nanousd=1_234_000,
        metadata={"ticket": "T-1"},
    )
    daemon.answers("GET /v1/jobs/42", job)
    daemon.answers("GET /v1/jobs/42/attempts", {"attempts": []})
    shown = dict(line.split("  ", 1) for line in claudeflow("show", "42").stdout.splitlines())
    assert {
        name: value.strip() for name, value in shown.items() if name not in {"submitted", "finished"}
    } == {
        "job": "42",
        "state": "failed",
        "lane": "bulk",
        "workflow": "ticket-triage",
        "model": "claude-haiku-5-5",
        "prompt": "triage (version 3f0c9a)",
        "attempts": "2, 5 tries in all, 1 ended by a crash",
        "error": "invalid_request_error (400): prompt is too long",
        "error code": "too_long",
        "request id": "req_1",
        "cost": "$0.001234",
        "metadata ticket": "T-1",
    }
    assert daemon.asked[0].query == {"result": "false"}


def test_show_prints_the_job_as_json(claudeflow: CommandLine, desk: RunningDesk) -> None:
    submitted(claudeflow)
    assert json.loads(claudeflow("show", "1", "--json").stdout)["state"] == "queued"


def test_result_prints_the_text(claudeflow: CommandLine, desk: RunningDesk) -> None:
    submitted(claudeflow)
    desk.finish(1, json.dumps(a_message("Hello ", "wörld")).encode())
    done = claudeflow("result", "1")
    assert (done.exit_code, done.stdout, done.stderr) == (Exit.OK, "Hello wörld\n", "")
    assert json.loads(claudeflow("result", "1", "--json").stdout) == a_message("Hello ", "wörld")


def test_an_answer_that_was_cut_off_is_marked(claudeflow: CommandLine, daemon: ScriptedDaemon) -> None:
    message = a_message("Hell", stop_reason="max_tokens")
    daemon.answers("GET /v1/jobs/42", a_job(state="succeeded", result=message))
    done = claudeflow("result", "42")
    assert (done.exit_code, done.stdout) == (Exit.OK, "Hell\n")
    assert done.stderr == "claudeflow: the answer of job 42 ended with stop_reason max_tokens\n"


NO_RESULT = [
    (a_job(), Exit.CONFLICT, "job 42 is still queued; claudeflow wait 42"),
    (
        a_job(state="running", wait_reason="first call"),
        Exit.CONFLICT,
        "job 42 is still running: first call; claudeflow wait 42",
    ),
    (a_job(state="held"), Exit.CONFLICT, "job 42 is held; release it: claudeflow retry 42"),
    (a_job(state="cancelled"), Exit.JOB_NOT_SUCCEEDED, "job 42 cancelled"),
    (a_job(state="expired"), Exit.JOB_NOT_SUCCEEDED, "job 42 expired"),
    (
        a_job(state="failed", error=an_error()),
        Exit.JOB_NOT_SUCCEEDED,
        "job 42 failed: invalid_request_error (400): prompt is too long",
    ),
    (a_job(state="succeeded", result=None), Exit.FAILED, "the answer of job 42 is no longer kept"),
]


@pytest.mark.parametrize(("job", "exit_code", "message"), NO_RESULT)
def test_without_an_answer_result_says_why(
    claudeflow: CommandLine, daemon: ScriptedDaemon, job: dict[str, object], exit_code: Exit, message: str
) -> None:
    daemon.answers("GET /v1/jobs/42", job)
    done = claudeflow("result", "42")
    assert (done.exit_code, done.stdout) == (exit_code, "")
    assert done.stderr == f"claudeflow: error: {message}\n"


def test_wait_asks_until_the_job_is_settled(claudeflow: CommandLine, daemon: ScriptedDaemon) -> None:
    for state in ("queued", "running", "running", "succeeded"):
        daemon.answers("GET /v1/jobs/42", a_job(state=state))
    done = claudeflow("wait", "42")
    assert (done.exit_code, done.stdout) == (Exit.OK, "job 42 succeeded\n")
    assert [float(asked.query.get("wait", 0)) for asked in daemon.asked] == [0, 30, 30, 30]


def test_wait_outlives_a_daemon_that_restarts(claudeflow: CommandLine, daemon: ScriptedDaemon) -> None:
    daemon.answers("GET /v1/jobs/42", a_job())
    daemon.hangs_up("GET /v1/jobs/42")
    daemon.answers("GET /v1/jobs/42", a_job(state="succeeded"))
    assert claudeflow("wait", "42").exit_code == Exit.OK


def test_wait_gives_up_after_its_timeout(claudeflow: CommandLine, desk: RunningDesk) -> None:
    submitted(claudeflow)
    done = claudeflow("wait", "1", "--timeout", "0.02")
    assert (done.exit_code, done.stderr) == (
        Exit.WAIT_TIMED_OUT,
        "claudeflow: error: job 1 is still queued\n",
    )


@pytest.mark.parametrize("state", ["failed", "cancelled", "expired", "held"])
def test_wait_is_exit_code_7_for_a_job_that_did_not_succeed(
    claudeflow: CommandLine, daemon: ScriptedDaemon, state: str
) -> None:
    daemon.answers("GET /v1/jobs/42", a_job(state=state))
    done = claudeflow("wait", "42", "--json")
    assert done.exit_code == Exit.JOB_NOT_SUCCEEDED
    assert [job["state"] for job in json.loads(done.stdout)] == [state]


def test_wait_waits_for_all_even_when_one_has_failed(claudeflow: CommandLine, daemon: ScriptedDaemon) -> None:
    daemon.answers("GET /v1/jobs/1", a_job(1, "failed", error=an_error()))
    daemon.answers("GET /v1/jobs/2", a_job(2, "running"))
    daemon.answers("GET /v1/jobs/2", a_job(2, "succeeded"))
    done = claudeflow("wait", "1", "2")
    assert (done.exit_code, done.stdout) == (Exit.JOB_NOT_SUCCEEDED, "job 2 succeeded\n")


def test_cancel_and_retry_change_jobs(claudeflow: CommandLine, desk: RunningDesk) -> None:
    submitted(claudeflow, 2)
    assert claudeflow("cancel", "1", "2").stdout == "job 1 cancelled\njob 2 cancelled\n"
    assert [job["state"] for job in json.loads(claudeflow("retry", "1", "--json").stdout)] == ["queued"]


def test_a_job_that_cannot_be_changed_does_not_stop_the_others(
    claudeflow: CommandLine, desk: RunningDesk
) -> None:
    submitted(claudeflow, 2)
    done = claudeflow("cancel", "7", "1", "1", "2")
    assert (done.exit_code, done.stdout) == (Exit.NOT_FOUND, "job 1 cancelled\njob 2 cancelled\n")
    assert done.stderr == "claudeflow: error: no job has the id 7\n"


def test_retrying_a_queued_job_is_exit_code_6(claudeflow: CommandLine, desk: RunningDesk) -> None:
    submitted(claudeflow)
    assert claudeflow("retry", "1").exit_code == Exit.CONFLICT


def test_a_daemon_that_hangs_up_is_exit_code_3(claudeflow: CommandLine, daemon: ScriptedDaemon) -> None:
    daemon.hangs_up("POST /v1/jobs/42/cancel")
    done = claudeflow("cancel", "42", "43")
    assert done.exit_code == Exit.UNREACHABLE
    assert "hung up without an answer" in done.stderr
    assert len(daemon.asked) == 1


def a_try(number: int = 1, **changes: object) -> dict[str, object]:
    """A try that went well."""
    ordinary = {
        "number": number,
        "call_id": 9,
        "outcome": "succeeded",
        "used_attempt": True,
        "ended_at": "2026-11-22T09:01:00.000Z",
        "cost_nanousd": 1_500_000,
        "error_type": None,
        "call_state": "settled",
        "reserved_nanousd": 9_000_000,
        "http_status": 200,
        "request_id": "req_011CSHoEeqs5C35K2UUqR7Fy",
        "input_tokens": 10,
        "cache_write_tokens": 0,
        "cache_read_tokens": 3_000,
        "output_tokens": 20,
        "items": 1,
        "slot": None,
        "call_ms": None,
        "batch_id": None,
        "batch_api_id": None,
    }
    return {**ordinary, **changes}


def test_show_lists_every_try_and_bounds_what_nobody_knows(
    claudeflow: CommandLine, daemon: ScriptedDaemon
) -> None:
    daemon.answers("GET /v1/jobs/42", a_job(tries=2))
    answered = a_try(2)
    crashed = {**answered, "number": 1, "outcome": "crashed", "call_state": "unknown", "request_id": None}
    daemon.answers("GET /v1/jobs/42/attempts", {"attempts": [crashed, answered]})
    lines = claudeflow("show", "42").stdout.splitlines()
    assert lines[-2].split()[:2] == ["1", "crashed"]
    assert lines[-2].rstrip().endswith("up to $0.009000")
    assert lines[-1].rstrip().endswith("$0.001500")


def test_show_tells_which_tries_went_by_a_batch_or_shared_a_call(
    claudeflow: CommandLine, daemon: ScriptedDaemon
) -> None:
    left = a_try(
        1, outcome="pulled_back", call_state="open", cost_nanousd=0, batch_id=3, batch_api_id="msgbatch_1"
    )
    shared = a_try(2, items=7, slot="k3f9", call_ms=1_200)
    daemon.answers("GET /v1/jobs/42", a_job(tries=2, batched=True, pack="triage@3f0c"))
    daemon.answers("GET /v1/jobs/42/attempts", {"attempts": [left, shared]})
    shown = claudeflow("show", "42").stdout
    lines = [line.strip() for line in shown.splitlines()]
    assert lines[-4].endswith("up to $0.009000")
    assert lines[-3] == "in batch 3 (msgbatch_1)"
    assert lines[-1] == "shared by 7 jobs as k3f9, its part took 1.2s"
    facts = dict(line.split("  ", 1) for line in shown.splitlines() if "  " in line)
    assert facts["goes by"].strip() == "Message Batches"
    assert facts["may share a call"].strip() == "as triage@3f0c"


def test_a_job_that_goes_alone_says_nothing_of_batches_or_packs(
    claudeflow: CommandLine, daemon: ScriptedDaemon
) -> None:
    daemon.answers("GET /v1/jobs/42", a_job(tries=1))
    daemon.answers("GET /v1/jobs/42/attempts", {"attempts": [a_try()]})
    shown = claudeflow("show", "42").stdout
    assert [word for word in ("batch", "Batches", "share") if word in shown] == []


@pytest.mark.parametrize("width", [60, 80, 120])
def test_tries_fit_their_terminal_and_no_request_id_is_cut(width: int) -> None:
    tries = [a_try(1, error_type="deadline_out_of_reach", batch_id=3, batch_api_id="msgbatch_1"), a_try(2)]
    board, layout = tries_board(tries, width)
    out = StringIO()
    Console(file=out, width=width).print(board)
    assert max(map(len, out.getvalue().splitlines())) <= width
    assert "in batch 3 (msgbatch_1)" in out.getvalue()
    assert ("req_011CSHoEeqs5C35K2UUqR7Fy" in out.getvalue()) is ("request id" not in layout.left_out)
    assert ("request id" in layout.left_out) is (width < 120)
