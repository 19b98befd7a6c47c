"""The real daemon's door under clients that do harm: others are served, and nothing is left behind."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.daemons import a_job
from tests.support.processes import Daemon, Site, daemon_at, eventually, short_folder

BOUNDS = {
    "max_connections": 400,
    "max_connections_per_user": 300,
    "header_timeout_s": 1.0,
    "body_timeout_s": 1.0,
    "answer_timeout_s": 1.0,
}
MANY = 10_000
HEALTHY = b"GET /-/healthy HTTP/1.1\r\nhost: x\r\n\r\n"
POST = b"POST /v1/jobs HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n"
HALF = (b"", b"G", HEALTHY[:-2], POST, POST + b"{", b"\x00\xff\r\n\r\n", HEALTHY * 50)
NOBODY = 65_534


@pytest.fixture
def site() -> Iterator[Site]:
    with short_folder() as folder:
        folder.chmod(0o755)
        yield Site(folder, tables={"http": BOUNDS, "socket": {"mode": "0666"}})


def a_socket(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(20)
    sock.connect(str(path))
    return sock


def is_served(path: Path) -> bool:
    with a_socket(path) as sock:
        sock.sendall(HEALTHY)
        return sock.recv(1_000).startswith(b"HTTP/1.1 200")


def open_files(daemon: Daemon) -> int:
    return len(list(Path(f"/proc/{daemon.process.pid}/fd").iterdir()))


def test_ten_thousand_connections_of_one_user_leave_the_others_served(site: Site) -> None:
    patient = {**BOUNDS, "header_timeout_s": 300.0, "body_timeout_s": 300.0}
    site.configure(http=patient, socket={"mode": "0666"})
    with daemon_at(site) as daemon, ExitStack() as stack:
        before = open_files(daemon)
        kept = stack.enter_context(a_socket(site.socket))
        kept.sendall(HEALTHY)
        assert kept.recv(1_000).startswith(b"HTTP/1.1 200")
        turned_away = 0
        with _many_files():
            for number in range(MANY):
                greedy = stack.enter_context(a_socket(site.socket))
                with contextlib.suppress(ConnectionError):
                    greedy.sendall(HALF[number % 3])
                if number >= BOUNDS["max_connections_per_user"]:
                    turned_away += greedy.recv(1_000).startswith(b"HTTP/1.1 503")
            assert turned_away > MANY * 0.9
            assert open_files(daemon) < before + BOUNDS["max_connections"]
            if os.getuid() == 0:
                assert _is_served_as_another_user(site.socket)
            stack.close()
        eventually(lambda: is_served(site.socket))
        eventually(lambda: open_files(daemon) <= before + 1)
    [opened] = site.events("DoorOpened")
    assert (opened["connections"], opened["wanted"]) == (400, 400)
    told = site.events("DoorRefused")
    assert {event["code"] for event in told} >= {"too_many_connections"}
    assert len(told) < 50


def _is_served_as_another_user(path: Path) -> bool:
    """The same from a process of another user; the interpreter may be out of its reach, so no new one."""
    child = os.fork()
    if not child:
        served = False
        with contextlib.suppress(BaseException):
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            served = is_served(path)
        os._exit(0 if served else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@contextlib.contextmanager
def _many_files() -> Iterator[None]:
    """This process holds the other ends."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < MANY + 1_000:
        pytest.skip(f"this host lets a process open {hard:,} files only")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, MANY + 1_000), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_half_requests_resets_and_garbage_end_by_themselves(site: Site) -> None:
    with daemon_at(site) as daemon, ExitStack() as stack:
        before = open_files(daemon)
        hostile = [stack.enter_context(a_socket(site.socket)) for _ in range(210)]
        for number, sock in enumerate(hostile):
            sock.sendall(HALF[number % len(HALF)])
        for sock in hostile[::3]:
            sock.close()
        assert is_served(site.socket)
        assert site.cli("submit", "-", stdin=json.dumps(a_job())).returncode == 0
        for number, sock in enumerate(hostile):
            if number % 3 and HALF[number % len(HALF)]:
                while sock.recv(65_536):
                    pass
        stack.close()
        eventually(lambda: open_files(daemon) <= before + 1)
        assert is_served(site.socket)


def test_a_host_with_few_files_gets_a_smaller_door_and_hears_of_it(site: Site) -> None:
    site.configure(socket={"mode": "0666"})
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
    try:
        with daemon_at(site):
            assert is_served(site.socket)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    [opened] = site.events("DoorOpened")
    assert opened["wanted"] == 4096
    assert opened["open_files"] == min(hard if hard > 0 else 8_224, 4096 + 4000 + 128)
