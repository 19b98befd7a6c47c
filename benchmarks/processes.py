"""The processes of a benchmark: each pinned to its core, stopped when the block ends."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from benchmarks.machine import measured_core, other_core

STOP_TIMEOUT_S = 30
READY_TIMEOUT_S = 30
POLL_S = 0.02
CLAUDEFLOW = [sys.executable, "-m", "claudeflow.cli.main"]


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        """Open the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._path))

    def ask(self, method: str, path: str, body: bytes | None = None, kind: str = "application/json") -> Any:
        """One request; the answer's JSON. Raises RuntimeError for an error."""
        self.request(method, path, body, {"content-type": kind} if body else {})
        answer = self.getresponse()
        text = answer.read()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:500]!r}")
        return orjson.loads(text) if text else None


@contextlib.contextmanager
def process(command: list[str], core: int, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Run a command on one core while the block lasts."""
    child = subprocess.Popen(
        command, text=True, preexec_fn=lambda: os.sched_setaffinity(0, {core}), **options
    )
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@dataclass(frozen=True, slots=True)
class FakeApi:
    """A running fake API."""

    url: str

    def calls(self) -> int:
        """How many calls have arrived."""
        return int(self.seen()["calls"])

    def seen(self) -> dict[str, Any]:
        """`calls`, and the monotonic `stamps` of the last ones."""
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"))
        connection.request("GET", "/seen")
        found: dict[str, Any] = orjson.loads(connection.getresponse().read())
        connection.close()
        return found


@contextlib.contextmanager
def fake_api(latency_s: float = 0.0, event_gap_s: float = 0.0) -> Iterator[FakeApi]:
    """A fake API on the other core."""
    command = [sys.executable, "-m", "benchmarks.fake_api"]
    command += ["--latency-s", str(latency_s), "--event-gap-s", str(event_gap_s)]
    with process(command, other_core(), stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        yield FakeApi(f"http://127.0.0.1:{int(child.stdout.readline())}")


@dataclass(frozen=True, slots=True)
class Spent:
    """What some work took: CPU of the process that did it, all threads, and time."""

    cpu_s: float
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class Caller:
    """A process that makes bare calls."""

    child: subprocess.Popen[str]

    def make(self, calls: int) -> Spent:
        """Make calls, as many at once as agreed."""
        found = self._tell(f"{calls}")
        return Spent(found["cpu_s"], found["elapsed_s"])

    def make_spaced(self, calls: int, pause_s: float) -> list[float]:
        """Make one call after another; when each began, monotonic."""
        began: list[float] = self._tell(f"{calls} {pause_s}")["began"]
        return began

    def _tell(self, line: str) -> dict[str, Any]:
        assert self.child.stdin is not None
        assert self.child.stdout is not None
        self.child.stdin.write(f"{line}\n")
        self.child.stdin.flush()
        found: dict[str, Any] = orjson.loads(self.child.stdout.readline())
        return found


@contextlib.contextmanager
def caller(kind: str, url: str, in_flight: int) -> Iterator[Caller]:
    """A caller on the measured core."""
    command = [sys.executable, "-m", "benchmarks.caller", kind, url, str(in_flight)]
    with process(command, measured_core(), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        yield Caller(child)


@dataclass(frozen=True, slots=True)
class Daemon:
    """A running daemon with a store of its own."""

    child: subprocess.Popen[str]
    folder: Path

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.child.pid

    @property
    def config(self) -> Path:
        """Its configuration file."""
        return self.folder / "claudeflow.toml"

    @property
    def socket(self) -> Path:
        """Its socket."""
        return self.folder / "claudeflow.sock"

    def connect(self) -> UnixConnection:
        """A new connection to it."""
        return UnixConnection(self.socket)

    def submit(self, ndjson: bytes) -> None:
        """Submit many jobs in one request."""
        self.connect().ask("POST", "/v1/jobs?partial=true", ndjson, "application/x-ndjson")

    def finished(self) -> int:
        """How many jobs it has brought to an end since it started."""
        status = self.connect().ask("GET", "/v1/status")
        return sum(lane["succeeded"] + lane["failed"] for lane in status["lanes"])

    def await_finished(self, jobs: int, api: FakeApi) -> None:
        """Return once so many jobs, the only ones that `api` sees, have come to an end.

        The daemon itself is asked only when the last call has been made: asking is work, too.
        """
        calls = jobs - self.finished() + api.calls()
        while api.calls() < calls:
            time.sleep(POLL_S)
        while self.finished() < jobs:
            time.sleep(POLL_S)


@contextlib.contextmanager
def daemon(folder: Path, url: str, settings: str = "", *, core: int | None = None) -> Iterator[Daemon]:
    """A daemon on the measured core that is at work; `settings` is more TOML."""
    write_config(folder, url, settings)
    environment = {**os.environ, "ANTHROPIC_API_KEY": "bench"}
    command = [*CLAUDEFLOW, "run", "--config", str(folder / "claudeflow.toml")]
    with (folder / "log.jsonl").open("w", encoding="utf-8") as log:
        where = measured_core() if core is None else core
        with process(command, where, stderr=log, stdout=log, env=environment) as child:
            running = Daemon(child, folder)
            await_ready(running)
            yield running


def write_config(folder: Path, url: str, settings: str) -> None:
    """The configuration of a daemon that lives in `folder`."""
    text = f"""
[store]
path = "{folder}/claudeflow.db"
[socket]
path = "{folder}/claudeflow.sock"
[daemon]
grace_s = 1.0
[api]
base_url = "{url}"
{settings}
"""
    (folder / "claudeflow.toml").write_text(text, encoding="utf-8")


def unlimited(in_flight: int) -> str:
    """Settings under which nothing but the bound on calls in flight holds jobs back."""
    return f"""
[limits]
requests = 1000000000
input_tokens = 1000000000000
output_tokens = 1000000000000
[limiter]
cold_in_flight = {in_flight}
cold_theta = 1.0
[limiter.ceiling]
initial = {in_flight}
maximum = {in_flight}
"""


def await_ready(running: Daemon) -> None:
    """Return once jobs are worked on. Raises RuntimeError if that never happens."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline and running.child.poll() is None:
        with contextlib.suppress(OSError, RuntimeError):
            running.connect().ask("GET", "/-/ready")
            return
        time.sleep(0.005)
    raise RuntimeError((running.folder / "log.jsonl").read_text(encoding="utf-8")[-2000:])
