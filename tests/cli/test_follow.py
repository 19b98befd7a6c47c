"""`claudeflow follow`, as a process, over the real server and over a real daemon."""

from __future__ import annotations

import json
import select
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from claudeflow import Claudeflow
from claudeflow.cli.remote import SocketDoor
from claudeflow.twin.child import twin_process
from claudeflow.twin.settings import TwinSettings
from tests.support.daemons import PLENTY, a_job
from tests.support.processes import CLAUDEFLOW, PATIENCE_S, Site, daemon_at, eventually, short_folder

Following = subprocess.Popen[str]


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with short_folder() as folder:
        found = Site(folder)
        with daemon_at(found):
            yield found


@contextmanager
def following(site: Site, *arguments: str) -> Iterator[Following]:
    process = subprocess.Popen(
        [*CLAUDEFLOW, "follow", *arguments],
        env=site.environ(PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def line_of(process: Following) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_it_prints_events_goes_on_over_a_restart_and_ends_quietly_on_ctrl_c() -> None:
    with ExitStack() as stack:
        folder = stack.enter_context(short_folder())
        twin = stack.enter_context(twin_process(TwinSettings(reply_tokens=20, **PLENTY)))
        site = Site(folder, twin.address)
        daemon = stack.enter_context(daemon_at(site))
        process = stack.enter_context(following(site, "--json", "--type", "job_finished,daemon_ready"))
        flow = stack.enter_context(Claudeflow(site.socket))
        seen: list[dict[str, object]] = []

        def heard() -> bool:
            flow.submit(request=a_job()["request"])
            return process.poll() is None and bool(_readable(process))

        eventually(heard)
        seen.append(json.loads(line_of(process)))
        assert seen[0]["event"] == "job_finished"
        daemon.signal(signal.SIGTERM)
        assert daemon.ended() == 0
        stack.enter_context(daemon_at(site))
        while seen[-1]["event"] == "job_finished":
            seen.append(json.loads(line_of(process)))
        assert seen[-1] | {"id": "", "at": ""} == {
            "id": "",
            "at": "",
            "event": "gap",
            "reason": "other_daemon",
            "missed": None,
        }
        assert json.loads(line_of(process))["event"] == "daemon_ready"
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 130
        assert process.stderr is not None
        assert process.stderr.read() == ""


def _readable(process: Following) -> bool:
    assert process.stdout is not None
    return bool(select.select([process.stdout], [], [], 0.2)[0])


def test_people_get_lines_with_what_says_something(site: Site) -> None:
    with following(site, "--lane", "standard", "--type", "hold_set", "--type", "hold_released") as process:
        eventually(lambda: _held_and_released(site) and _readable(process))
        _held_and_released(site)
        held = line_of(process).split(" ", 2)
        while held[1] != "hold_set":
            held = line_of(process).split(" ", 2)
        released = line_of(process).split(" ", 2)
    assert held[0].endswith("Z")
    assert held[2].startswith('hold.scope=lane:standard hold.cause=manual hold.reason="the audit" ')
    assert "until" not in held[2]
    assert (released[1], released[2].split()[0]) == ("hold_released", "scope=lane:standard")


def _held_and_released(site: Site) -> bool:
    door = SocketDoor(site.socket)
    for scope in ("workflow:standard", "lane:standard"):
        body = json.dumps({"scope": scope, "reason": "the audit"}).encode()
        assert door.call("POST", "/v1/holds", body=body).ok
        assert door.call("DELETE", f"/v1/holds/{scope}").ok
    return True


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--type", "job_finishd"], 2, 'Did you mean "job_finished"?'),
        (["--lane", "standrd"], 2, 'Did you mean "standard"?'),
        (["--job", "0"], 2, "--job"),
        (["--socket", "/nowhere/claudeflow.sock"], 3, "no daemon at /nowhere/claudeflow.sock"),
    ],
)
def test_what_cannot_be_followed_is_said(site: Site, arguments: list[str], code: int, says: str) -> None:
    done = site.cli("follow", *arguments)
    assert done.returncode == code
    assert says in done.stderr
    assert done.stdout == ""
