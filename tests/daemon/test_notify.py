"""The service manager hears what it must, and the daemon gets the sockets that it opened."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from claudeflow.daemon.notify import Notifier, listen_fds


def needs_program(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} is not installed")


class Manager:
    """The receiving end of NOTIFY_SOCKET."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self._socket.settimeout(5)

    def heard(self) -> dict[str, str]:
        """The next message's assignments."""
        lines = self._socket.recv(4096).decode().split("\n")
        return dict(line.split("=", 1) for line in lines)

    def heard_nothing(self) -> bool:
        self._socket.setblocking(False)
        try:
            self._socket.recv(4096)
        except BlockingIOError:
            return True
        return False

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    name = str(tmp_path / "notify") if request.param == "path" else f"@claudeflow-test-{uuid.uuid4()}"
    manager = Manager(name)
    yield manager
    manager.close()


def test_ready_is_told_with_a_status_line(manager: Manager) -> None:
    Notifier(manager.address).ready("3 lanes")
    assert manager.heard() == {"READY": "1", "STATUS": "3 lanes"}


def test_a_status_that_is_no_valid_unicode_is_still_told(manager: Manager) -> None:
    Notifier(manager.address).status("lane \udcff")
    assert manager.heard() == {"STATUS": "lane ?"}


def test_the_status_line_can_change(manager: Manager) -> None:
    Notifier(manager.address).status("12 jobs running")
    assert manager.heard() == {"STATUS": "12 jobs running"}


def test_a_line_break_in_a_status_begins_no_other_assignment(manager: Manager) -> None:
    Notifier(manager.address).status("draining\nMAINPID=1\n")
    assert manager.heard() == {"STATUS": "draining MAINPID=1"}


def test_a_reload_carries_the_monotonic_time_it_began_at(manager: Manager) -> None:
    before_us = time.monotonic_ns() // 1000
    Notifier(manager.address).reloading()
    heard = manager.heard()
    assert heard["RELOADING"] == "1"
    assert before_us <= int(heard["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000


def test_stopping_and_watchdog_are_one_assignment_each(manager: Manager) -> None:
    notifier = Notifier(manager.address)
    notifier.stopping()
    notifier.watchdog()
    assert manager.heard() == {"STOPPING": "1"}
    assert manager.heard() == {"WATCHDOG": "1"}
    assert manager.heard_nothing()


def say_everything(notifier: Notifier) -> None:
    notifier.ready("up")
    notifier.status("fine")
    notifier.reloading()
    notifier.stopping()
    notifier.watchdog()


def test_without_a_manager_nothing_happens() -> None:
    notifier = Notifier.from_environ({})
    say_everything(notifier)
    assert notifier.watchdog_interval_s is None


@pytest.mark.parametrize("address", ["/nowhere/notify", "@nobody-listens", "vsock:2:1", "/" + "x" * 200])
def test_a_manager_that_cannot_be_reached_is_no_error(address: str) -> None:
    say_everything(Notifier(address))


def test_a_manager_that_stopped_listening_does_not_block_for_ever(tmp_path: Path) -> None:
    manager = Manager(str(tmp_path / "notify"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler:
        filler.setblocking(False)
        filler.connect(manager.address)
        with suppress(BlockingIOError):
            while True:
                filler.send(b"STATUS=busy")
    Notifier(manager.address).watchdog()
    manager.close()


def test_the_environment_names_the_manager(manager: Manager) -> None:
    Notifier.from_environ({"NOTIFY_SOCKET": manager.address}).stopping()
    assert manager.heard() == {"STOPPING": "1"}


@pytest.mark.parametrize(
    ("environ", "interval_s"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_fed_at_half_of_what_the_manager_allows(
    environ: dict[str, str], interval_s: float | None
) -> None:
    assert Notifier.from_environ(environ).watchdog_interval_s == interval_s


@needs_program("systemd-notify")
def test_systemds_own_client_sends_the_same_words(manager: Manager) -> None:
    environ = {**os.environ, "NOTIFY_SOCKET": manager.address}
    subprocess.run(["systemd-notify", "--no-block", "--ready", "--status=3 lanes"], env=environ, check=True)
    theirs = manager.heard()
    Notifier(manager.address).ready("3 lanes")
    assert manager.heard() == {key: theirs[key] for key in ("READY", "STATUS")}


def test_sockets_meant_for_another_process_are_not_taken() -> None:
    environ = {"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "api", "HOME": "/root"}
    assert listen_fds(environ) == {}
    assert environ == {"HOME": "/root"}


@pytest.mark.parametrize("count", ["", "0", "-1", "many"])
def test_no_sockets_are_no_sockets(count: str) -> None:
    assert listen_fds({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": count}) == {}


RECEIVER = """
import os, sys
from claudeflow.daemon.notify import listen_fds
from claudeflow.domain.errors import ConfigError
try:
    sockets = listen_fds()
except ConfigError as error:
    sys.exit(str(error))
for name, listener in sockets.items():
    print(name, listener.getsockname(), listener.get_inheritable(), flush=True)
print("left:", [key for key in os.environ if key.startswith("LISTEN_")], listen_fds(), flush=True)
if "serve" in sys.argv:
    peer, _ = next(iter(sockets.values())).accept()
    peer.sendall(b"served")
"""


def start_with_fds(fds: list[int], names: str) -> subprocess.CompletedProcess[str]:
    """Run the receiver as systemd does: descriptors from 3 on, LISTEN_PID its own."""
    as_systemd_does = (
        "import fcntl, os, sys\n"
        f"copies = [fcntl.fcntl(fd, fcntl.F_DUPFD, 100) for fd in {fds!r}]\n"
        "for target, copy in enumerate(copies, start=3): os.dup2(copy, target)\n"
        f"os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='{len(fds)}', LISTEN_FDNAMES={names!r})\n"
        f"os.execv(sys.executable, [sys.executable, '-c', {RECEIVER!r}])\n"
    )
    command = [sys.executable, "-c", as_systemd_does]
    return subprocess.run(command, pass_fds=fds, capture_output=True, text=True, check=False)


def listening_at(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen()
    return listener


def test_sockets_arrive_by_name_and_are_kept_from_children(tmp_path: Path) -> None:
    with listening_at(tmp_path / "api.sock") as api, listening_at(tmp_path / "ops.sock") as ops:
        done = start_with_fds([api.fileno(), ops.fileno()], "api:ops")
    assert done.stdout.splitlines() == [
        f"api {tmp_path / 'api.sock'} False",
        f"ops {tmp_path / 'ops.sock'} False",
        "left: [] {}",
    ], done.stderr


def test_a_socket_without_a_name_is_called_unknown(tmp_path: Path) -> None:
    with listening_at(tmp_path / "api.sock") as api:
        done = start_with_fds([api.fileno()], "")
    assert done.stdout.startswith("unknown "), done.stderr


def test_two_sockets_of_one_name_are_refused_with_the_way_out(tmp_path: Path) -> None:
    with listening_at(tmp_path / "a.sock") as one, listening_at(tmp_path / "b.sock") as two:
        done = start_with_fds([one.fileno(), two.fileno()], "api:api")
    assert done.returncode == 1
    assert "FileDescriptorName=" in done.stderr


def test_a_descriptor_that_is_no_socket_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file:
        done = start_with_fds([file.fileno()], "api")
    assert done.returncode == 1
    assert "api: descriptor 3 is not a usable socket" in done.stderr


@needs_program("systemd-socket-activate")
def test_systemd_hands_over_its_socket_on_the_first_connection(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    command = [
        "systemd-socket-activate",
        "-l",
        str(path),
        "--fdname=api",
        sys.executable,
        "-c",
        RECEIVER,
        "serve",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as daemon:
        assert daemon.stderr is not None
        assert "Listening on" in daemon.stderr.readline()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(20)
            client.connect(str(path))
            assert client.recv(16) == b"served"
        told, _ = daemon.communicate(timeout=20)
    assert told.splitlines()[0] == f"api {path} False"
