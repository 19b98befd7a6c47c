"""The processes of a benchmark: each pinned to its core, stopped when the block ends."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from benchmarks.machine import cpu_s, measured_core, other_core

STOP_TIMEOUT_S = 30
READY_TIMEOUT_S = 30
POLL_S = 0.02
NOBODY = "http://127.0.0.1:9"
QUIET = {
    "LITELLM_TELEMETRY": "False",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOG": "CRITICAL",
    "INSPECT_LOG_LEVEL": "critical",
    "DO_NOT_TRACK": "1",
    # Whatever a library would like to fetch or report ends here: only loopback is reached.
    "HTTP_PROXY": NOBODY,
    "HTTPS_PROXY": NOBODY,
    "NO_PROXY": "127.0.0.1,localhost",
}
"""Under these variables other people's programs speak to nobody but the loopback, and only when asked."""

CLAUDEFLOW_RUN = (sys.executable, "-m", "claudeflow.cli.main", "run", "--config")


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


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def process(command: list[str], core: int, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Run a command on one core while the block lasts."""
    child = subprocess.Popen(command, text=True, **options)
    os.sched_setaffinity(child.pid, {core})
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                pipe.close()


@dataclass(frozen=True, slots=True)
class FakeApi:
    """A running fake API."""

    url: str

    def calls(self) -> int:
        """How many calls have arrived."""
        return int(self._ask("/calls"))

    def stamps(self) -> list[float]:
        """The monotonic moments at which the last calls arrived."""
        found: list[float] = self._ask("/stamps")
        return found

    def _ask(self, path: str) -> Any:
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"))
        connection.request("GET", path)
        found = orjson.loads(connection.getresponse().read())
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

    def ask(self, method: str, path: str, body: bytes | None = None, kind: str = "application/json") -> Any:
        """One request over a connection of its own. Raises RuntimeError for an error."""
        with contextlib.closing(UnixConnection(self.socket)) as connection:
            return connection.ask(method, path, body, kind)

    def submit(self, ndjson: bytes) -> None:
        """Submit many jobs in one request."""
        self.ask("POST", "/v1/jobs?partial=true", ndjson, "application/x-ndjson")

    def finished(self) -> int:
        """How many jobs it has brought to an end since it started."""
        status = self.ask("GET", "/v1/status")
        return sum(lane["succeeded"] + lane["failed"] for lane in status["lanes"])

    def work_off(self, count: int, submit: Callable[[], None], api: FakeApi) -> Spent:
        """What it takes from the start of `submit` until its `count` jobs are done.

        Nobody else may call `api`. The daemon itself is asked only when the last call has been made:
        asking is work, too.
        """
        calls, finished = api.calls() + count, self.finished() + count
        used_s, began_s = cpu_s(self.pid), time.perf_counter()
        submit()
        while api.calls() < calls:
            time.sleep(POLL_S)
        while self.finished() < finished:
            time.sleep(POLL_S)
        return Spent(cpu_s(self.pid) - used_s, time.perf_counter() - began_s)


@contextlib.contextmanager
def daemon(
    folder: Path, url: str, settings: str = "", *, program: Sequence[str] = CLAUDEFLOW_RUN
) -> Iterator[Daemon]:
    """A daemon on the measured core that is at work; `settings` is more TOML, `program` takes its path."""
    write_config(folder, url, settings)
    environment = {**os.environ, "ANTHROPIC_API_KEY": "bench"}
    command = [*program, str(folder / "claudeflow.toml")]
    with (
        (folder / "log.jsonl").open("w", encoding="utf-8") as log,
        process(command, measured_core(), stderr=log, stdout=log, env=environment) as child,
    ):
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
[limiter.margin]
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
            running.ask("GET", "/-/ready")
            return
        time.sleep(0.005)
    raise RuntimeError((running.folder / "log.jsonl").read_text(encoding="utf-8")[-2000:])
