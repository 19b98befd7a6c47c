"""What happens when no daemon answers."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from claudeflow.cli.exits import Exit
from claudeflow.cli.offline import EitherDoor
from claudeflow.cli.places import DEFAULT_CONFIG, Places
from claudeflow.cli.problems import Failure
from claudeflow.cli.remote import Answer, Body, SocketDoor
from claudeflow.cli.waiting import wait_for
from claudeflow.domain.errors import DaemonUnreachable
from tests.cli.scripted_daemon import CommandLine, ScriptedDaemon, a_job
from tests.intake.builders import a_request


class Store:
    """What stands in for the daemon: one job."""

    def __init__(self, record: dict[str, Any]) -> None:
        self.record = record
        self.calls: list[str] = []

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Body | None = None,
        content_type: str = "application/json",
        timeout_s: float = 0,
    ) -> Answer:
        self.calls.append(f"{method} {path}")
        return Answer(200, {}, json.dumps(self.record).encode())


def a_door(claudeflow: CommandLine, store: Store) -> EitherDoor:
    return EitherDoor(Places(claudeflow.socket, claudeflow.config), store)


def test_without_a_daemon_the_store_is_asked_and_it_is_said_once(
    claudeflow: CommandLine, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(a_job())
    door = a_door(claudeflow, store)
    assert door.call("GET", "/v1/jobs/42").json() == a_job()
    door.call("GET", "/v1/jobs/42")
    assert len(store.calls) == 2
    note = f"claudeflow: no daemon on {claudeflow.socket}; working on the store itself\n"
    assert capsys.readouterr().err == note


def test_a_socket_that_nobody_listens_on_counts_as_no_daemon(claudeflow: CommandLine) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(claudeflow.socket))
    store = Store(a_job())
    a_door(claudeflow, store).call("GET", "/v1/jobs/42")
    assert store.calls == ["GET /v1/jobs/42"]


def test_with_a_daemon_the_store_is_left_alone(claudeflow: CommandLine, daemon: ScriptedDaemon) -> None:
    daemon.answers("GET /v1/jobs/42", a_job())
    store = Store(a_job(state="failed"))
    assert a_door(claudeflow, store).call("GET", "/v1/jobs/42").json()["state"] == "queued"
    assert store.calls == []


def test_a_daemon_that_hung_up_may_have_acted_so_nothing_is_asked_twice(
    claudeflow: CommandLine, daemon: ScriptedDaemon
) -> None:
    daemon.hangs_up("POST /v1/jobs")
    store = Store(a_job())
    with pytest.raises(Failure) as caught:
        a_door(claudeflow, store).call("POST", "/v1/jobs", body=b"{}")
    assert caught.value.exit_code is Exit.UNREACHABLE
    assert store.calls == []


@pytest.mark.skipif(DEFAULT_CONFIG.exists(), reason="claudeflow is installed here")
def test_without_daemon_configuration_and_store_nothing_is_created(tmp_path: Path) -> None:
    store = Store(a_job())
    with pytest.raises(DaemonUnreachable, match="and no store at /var/lib"):
        EitherDoor(Places(tmp_path / "no.sock"), store).call("GET", "/v1/jobs")
    assert store.calls == []


def test_a_finished_job_needs_no_daemon_to_be_waited_for(claudeflow: CommandLine) -> None:
    door = a_door(claudeflow, Store(a_job(state="succeeded")))
    assert wait_for(door, 42, None)["state"] == "succeeded"


def test_waiting_for_a_job_that_nobody_works_on_is_refused(claudeflow: CommandLine) -> None:
    with pytest.raises(Failure, match="job 42 is queued, and no daemon runs that could finish it") as caught:
        wait_for(a_door(claudeflow, Store(a_job())), 42, None)
    assert caught.value.exit_code is Exit.UNREACHABLE


def test_a_path_that_is_too_long_for_a_socket_is_no_daemon() -> None:
    with pytest.raises(DaemonUnreachable, match="too long"):
        SocketDoor(Path("/tmp") / ("x" * 200)).call("GET", "/v1/status")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may do everything")
def test_a_socket_that_one_may_not_use_is_exit_code_4(
    claudeflow: CommandLine, daemon: ScriptedDaemon
) -> None:
    daemon.socket.chmod(0)
    done = claudeflow("status")
    assert done.exit_code == Exit.NOT_PERMITTED
    assert f"not permitted to use the socket {daemon.socket}" in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may do everything")
def test_a_configuration_that_one_may_not_read_is_exit_code_4(claudeflow: CommandLine) -> None:
    claudeflow.config.chmod(0)
    assert claudeflow("status", CLAUDEFLOW_SOCKET="").exit_code == Exit.NOT_PERMITTED


def test_jobs_are_kept_and_changed_in_the_store_itself(claudeflow: CommandLine) -> None:
    done = claudeflow("submit", "-", "--lane", "bulk", stdin=json.dumps(a_request()))
    assert (done.exit_code, done.stdout) == (Exit.OK, "1\n")
    assert "working on the store itself" in done.stderr
    assert json.loads(claudeflow("show", "1", "--json").stdout)["lane"] == "bulk"
    assert claudeflow("cancel", "1").stdout == "job 1 cancelled\n"
    assert claudeflow("result", "1").exit_code == Exit.JOB_NOT_SUCCEEDED
    assert claudeflow("retry", "1").stdout == "job 1 queued\n"
    assert claudeflow("wait", "1").exit_code == Exit.UNREACHABLE
    assert claudeflow("show", "2").exit_code == Exit.NOT_FOUND
    assert json.loads(claudeflow("status", "--json").stdout)["spend"]["calls"] == 0
