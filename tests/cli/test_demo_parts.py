"""The demo's parts: the stage, the feed, the end of the play, the processes, the summary."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from claudeflow.cli.demo.live import live_jobs
from claudeflow.cli.demo.morning import Arrival
from claudeflow.cli.demo.play import Cue, Feed, Played, play
from claudeflow.cli.demo.processes import Child, child, wait_for
from claudeflow.cli.demo.show import lines, progress_line
from claudeflow.cli.demo.stage import LONGEST_SOCKET_BYTES, Stage, config_text, stage
from claudeflow.cli.demo.summary import Books, Summary, Verdict, as_dict, summarize, text_lines
from claudeflow.cli.demo.twin import twin_arguments
from claudeflow.cli.problems import Failure
from claudeflow.cli.remote import SocketDoor
from claudeflow.config import parse_config
from claudeflow.simulation.examples import find_examples
from tests.cli.scripted_daemon import CommandLine, ScriptedDaemon, a_status

A_LONG_TIME_S = 3_600.0
SPEND = {
    "settled_nanousd": 250_000_000,
    "uncached_nanousd": 1_000_000_000,
    "calls": 101,
    "unknown_calls": 0,
    "unknown_bound_nanousd": 0,
}
A_HOLD = {"reason": "your credit balance is too low", "way_out": "top up", "scope": "all", "cause": "credit"}


def a_lane(**changes: Any) -> dict[str, Any]:
    return {**a_status()["lanes"][0], "queued": 0, "running": 0, "succeeded": 100, "failed": 0, **changes}


def an_arrival(at_s: float, name: str = "ticket-triage") -> Arrival:
    return Arrival(at_s, {"prompt": name, "input": {}})


def a_summary(*, verdict: Verdict | None = None, jobs: int = 100, **changes: Any) -> Summary:
    spend = {**SPEND, **changes.pop("spend", {})}
    lane = a_lane(**changes.pop("lane", {}))
    status = a_status(lanes=[lane], **changes)
    return summarize(Played(status, 31.0), {"bulk": jobs}, Books(spend, None), verdict)


def test_the_socket_of_a_deep_folder_stands_elsewhere(tmp_path: Path) -> None:
    with stage(tmp_path / ("deep" * 30)) as place:
        assert len(bytes(place.socket)) <= LONGEST_SOCKET_BYTES
        assert place.socket.parent.is_dir()
    assert place.folder.is_dir()
    assert not place.socket.parent.exists()


def test_the_configuration_of_a_demo_is_valid_whatever_its_folder_is_called(tmp_path: Path) -> None:
    place = Stage(tmp_path / 'a "morning" é 100 % \\', tmp_path / "s")
    config = parse_config(config_text(place, "http://127.0.0.1:1", Path("/p"), retries=True), "demo")
    assert config.store.path == str(place.store)
    assert config.socket.path == str(place.socket)
    assert config.api.base_url == "http://127.0.0.1:1"


def test_without_retries_the_lanes_stay_and_no_call_is_made_twice(tmp_path: Path) -> None:
    place = Stage(tmp_path, tmp_path / "s")
    with_retries, without = (
        parse_config(config_text(place, "http://x", tmp_path, retries=retries), "demo").lanes
        for retries in (True, False)
    )
    assert without.keys() == with_retries.keys()
    assert [lane.weight for lane in without.values()] == [lane.weight for lane in with_retries.values()]
    assert all(lane.retry_window_s < 0.01 for lane in without.values())


def test_jobs_are_submitted_when_their_time_has_come(claudeflow: CommandLine, daemon: ScriptedDaemon) -> None:
    daemon.answers("POST /v1/jobs", {"submitted": 1, "existing": 0, "refused": 0, "errors": []})
    feed = Feed(SocketDoor(claudeflow.socket), [an_arrival(0.0), an_arrival(1.0), an_arrival(2.0)])
    feed.submit_due(1.5)
    assert (feed.submitted, feed.is_done) == (2, False)
    feed.submit_due(1.6)
    feed.submit_due(2.0)
    assert feed.is_done
    assert [len(asked.body.splitlines()) for asked in daemon.asked] == [2, 1]


def test_a_refused_job_ends_the_demo(claudeflow: CommandLine, daemon: ScriptedDaemon) -> None:
    daemon.refuses("POST /v1/jobs", 422, "invalid_job", "no such prompt")
    with pytest.raises(Failure, match="no such prompt"):
        Feed(SocketDoor(claudeflow.socket), [an_arrival(0.0)]).submit_due(0.0)


def played(daemon: ScriptedDaemon, arrivals: list[Arrival], until: float, *cues: Cue) -> tuple[Played, int]:
    """How a play ended, and how often the status was shown."""
    door = SocketDoor(daemon.socket)
    shown: list[float] = []
    end = play(door, Feed(door, arrivals), cues, lambda _, at_s: shown.append(at_s), until)
    return end, len(shown)


def test_a_play_ends_when_every_job_is_finished(daemon: ScriptedDaemon) -> None:
    daemon.answers("POST /v1/jobs", {})
    daemon.answers("GET /v1/status", a_status(lanes=[a_lane(running=1)]))
    daemon.answers("GET /v1/status", a_status(lanes=[a_lane()]))
    acted: list[str] = []
    cues = [Cue(0.0, lambda: acted.append("now")), Cue(A_LONG_TIME_S, lambda: acted.append("never"))]
    _, looks = played(daemon, [an_arrival(0.0)], time.monotonic() + A_LONG_TIME_S, *cues)
    assert looks == 2
    assert acted == ["now"]


def test_a_play_ends_when_its_time_is_over(daemon: ScriptedDaemon) -> None:
    daemon.answers("GET /v1/status", a_status(lanes=[a_lane(queued=5)]))
    end, looks = played(daemon, [an_arrival(A_LONG_TIME_S)], time.monotonic())
    assert looks == 1
    assert end.status["lanes"][0]["queued"] == 5


def test_a_play_ends_when_something_needs_a_person(daemon: ScriptedDaemon) -> None:
    daemon.answers("GET /v1/status", a_status(holds=[A_HOLD]))
    end, _ = played(daemon, [an_arrival(A_LONG_TIME_S)], time.monotonic() + A_LONG_TIME_S)
    assert end.status["holds"]


def test_a_child_that_ends_early_is_reported_with_its_last_words(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text("nonsense = 1\n")
    with child(["run", "--config", str(config)], tmp_path / "log", {}) as process:
        never: list[bool] = []
        with pytest.raises(Failure, match=r"`claudeflow run` ended with exit code 78; (.|\n)*nonsense"):
            wait_for(process, lambda: never[0] if never else None, "it did not start", time.monotonic() + 60)


def test_a_child_that_does_not_get_ready_is_given_up(tmp_path: Path) -> None:
    with (
        child(["twin", "--port", "0"], tmp_path / "log", {}) as process,
        pytest.raises(Failure, match="the twin did not start in time"),
    ):
        wait_for(process, lambda: None, "the twin did not start", time.monotonic())


def test_a_child_ends_with_its_block(tmp_path: Path) -> None:
    with child(["twin", "--port", "0"], tmp_path / "log", {}) as process:
        assert isinstance(process, Child)
    with pytest.raises(Failure, match="ended with exit code"):
        process.check()


def test_a_larger_morning_gets_larger_limits() -> None:
    def rpm(jobs: int) -> int:
        arguments = twin_arguments(jobs, seed=1)
        return int(arguments[arguments.index("--rpm") + 1])

    assert rpm(10) == rpm(330) == rpm(660) / 2


@pytest.mark.parametrize("budget_nanousd", [4_000_000, 10_000_000, 20_000_000, 10**9])
def test_live_jobs_never_cost_more_than_allowed(budget_nanousd: int) -> None:
    found = live_jobs(find_examples(), 8, 7, budget_nanousd)
    assert 1 <= len(found.arrivals) <= 8
    assert 0 < found.bound_nanousd <= budget_nanousd
    assert {arrival.job["prompt"] for arrival in found.arrivals} <= {"ticket-triage", "helpdesk-routing"}
    assert (len(found.arrivals) == 8) == (budget_nanousd == 10**9)


def test_a_progress_line_tells_what_matters() -> None:
    line = progress_line(a_status(), 93.0, 1_000)
    assert line.split("  ")[-1] == (
        "90 of 1,000 jobs finished, 912 queued, 6 running, 3 429s, $1.0000, haiku-5.x paused by a 429"
    )


def test_progress_lines_come_every_few_seconds_and_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    with lines({"bulk": 100}, stderr=False) as show:
        for at_s in (0.0, 0.25, 0.5, 3.0, 3.25):
            show(a_status(), at_s)
        show(a_status(lanes=[a_lane()]), 3.5)
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["0.0s", "3.0s", "3.5s"]


def test_a_summary_says_what_a_manager_asks() -> None:
    summary = a_summary(verdict=Verdict(250_000_000, 0))
    text = "\n".join(text_lines(summary))
    assert "100 of 100 jobs done in 31s." in text
    assert "429s: 3, as another program" in text
    assert "no call came before its retry-after" in text
    assert "Cost: $0.2500 for 101 calls; without prompt caching $1.0000, so 75% was saved." in text
    assert "$0.250000000, the same as our books to the nano-dollar" in text
    assert "Not done" not in text
    assert summary.is_good


def test_books_that_differ_from_the_invoice_are_a_failure() -> None:
    summary = a_summary(verdict=Verdict(250_000_001, 0))
    assert not summary.is_good
    assert "$0.000000001 off the books" in "\n".join(text_lines(summary))


def test_calls_that_were_cut_off_leave_a_range_in_the_books() -> None:
    spend = {"unknown_calls": 1, "unknown_bound_nanousd": 50_000_000}
    summary = a_summary(verdict=Verdict(270_000_000, 0), jobs=120, spend=spend)
    text = "\n".join(text_lines(summary))
    assert "the books say $0.250000000 to $0.300000000, with 1 call cut off" in text
    assert "Not done in time: 20 jobs" in text
    assert summary.is_good
    assert not a_summary(verdict=Verdict(300_000_001, 0), spend=spend).is_good


def test_a_hold_is_named_with_its_way_out_and_is_a_failure() -> None:
    summary = a_summary(holds=[A_HOLD], lane={"succeeded": 0})
    assert "Held: your credit balance is too low: top up" in text_lines(summary)
    assert not summary.is_good


def test_the_summary_of_a_live_run_has_no_invoice() -> None:
    summary = a_summary()
    assert as_dict(summary)["invoice_nanousd"] is None
    assert "usage page of the Claude Console" in "\n".join(text_lines(summary))
    assert summary.is_good
