"""The real programs as processes: the daemon, the command line, and the twin over TCP."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

PATIENCE_S = 30.0
POLL_S = 0.02

CLAUDEFLOW = (sys.executable, "-m", "claudeflow.cli.main")
OF_THE_HOST = ("ANTHROPIC_", "CLAUDEFLOW_", "NOTIFY_SOCKET", "WATCHDOG_", "LISTEN_", "CREDENTIALS_DIRECTORY")

T = TypeVar("T")


def eventually(fact: Callable[[], T], *, patience_s: float = PATIENCE_S) -> T:
    """What `fact` says as soon as it is true, for the states of other processes. Raises TimeoutError."""
    give_up = time.monotonic() + patience_s
    while not (found := fact()):
        if time.monotonic() > give_up:
            raise TimeoutError(f"not within {patience_s:.0f} s")
        time.sleep(POLL_S)
    return found


@contextmanager
def short_folder() -> Iterator[Path]:
    """A folder whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="cf-", dir="/tmp") as folder:
        yield Path(folder)


def a_free_port() -> int:
    """A TCP port on which nobody listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class NotifySocket:
    """The service manager's end of sd_notify."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.messages: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(PATIENCE_S)

    def wait_for(self, text: str) -> str:
        """The next message that contains `text`. Raises TimeoutError."""
        while True:
            message = self._socket.recv(65_536).decode()
            self.messages.append(message)
            if text in message:
                return message

    def forget(self) -> None:
        """Drop what has come in so far."""
        self._socket.setblocking(False)
        try:
            while True:
                self._socket.recv(65_536)
        except BlockingIOError:
            self._socket.settimeout(PATIENCE_S)

    def close(self) -> None:
        self._socket.close()


@dataclass
class Site:
    """A place where a daemon may run: configuration, store and socket in one short folder."""

    folder: Path
    api: str = "http://127.0.0.1:9"
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.config = self.folder / "claudeflow.toml"
        self.store = self.folder / "store.db"
        self.socket = self.folder / "api.sock"
        self.log = self.folder / "log"
        self.configure(**self.tables)

    def configure(self, **tables: Mapping[str, Any]) -> None:
        """Write the configuration: what every site needs, and these tables over it."""
        whole: dict[str, dict[str, Any]] = {
            "store": {"path": str(self.store)},
            "socket": {"path": str(self.socket)},
            "api": {"base_url": self.api},
            "log": {"level": "debug", "format": "json"},
            "limiter.margin": {"cold_theta": 1.0},
        }
        for name, table in tables.items():
            whole[name] = {**whole.get(name, {}), **table}
        self.config.write_text("".join(_toml(name, table) for name, table in whole.items()))

    def environ(self, **more: str) -> dict[str, str]:
        """The environment of a program here; nothing of the host's own claudeflow gets in."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(OF_THE_HOST)}
        return {**clean, "CLAUDEFLOW_CONFIG": str(self.config), **more}

    def cli(self, *arguments: str, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
        """Run one command line to its end."""
        return subprocess.run(
            [*CLAUDEFLOW, *arguments],
            input=stdin,
            env=self.environ(**environ),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S * 2,
            check=False,
        )

    def submit(self, jobs: list[dict[str, Any]]) -> None:
        """Hand in jobs by the command line."""
        lines = "".join(json.dumps(job) + "\n" for job in jobs)
        done = self.cli("submit", "--jsonl", "-", stdin=lines)
        assert done.returncode == 0, done.stderr

    def events(self, kind: str) -> list[dict[str, Any]]:
        """What the daemons here have logged of one kind."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        events = [json.loads(line) for line in lines if line.startswith("{")]
        return [event for event in events if event.get("event") == kind]


def _toml(name: str, table: Mapping[str, Any]) -> str:
    own = {key: value for key, value in table.items() if not isinstance(value, dict)}
    lines = [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in own.items())]
    below = [_toml(f"{name}.{key}", value) for key, value in table.items() if isinstance(value, dict)]
    return "\n".join(lines) + "\n" + "".join(below)


class Daemon:
    """A running `claudeflow run`."""

    def __init__(self, site: Site, notify: NotifySocket, **environ: str) -> None:
        self.site = site
        self.notify = notify
        variables = site.environ(NOTIFY_SOCKET=str(notify.path), ANTHROPIC_API_KEY="k", **environ)
        with site.log.open("ab") as log:
            self.process = subprocess.Popen([*CLAUDEFLOW, "run"], env=variables, stdout=log, stderr=log)

    def ready(self) -> Daemon:
        """Returns once it works on jobs."""
        self.notify.wait_for("READY=1")
        return self

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self) -> int:
        """Its exit code, once it has ended."""
        return self.process.wait(PATIENCE_S)

    def dies_within(self, moment_s: float) -> bool:
        """Whether it ends by itself before so many seconds have passed."""
        try:
            self.process.wait(moment_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> None:
        """End it without giving it a chance."""
        self.process.kill()
        self.process.wait()


@contextmanager
def daemon_at(site: Site, **environ: str) -> Iterator[Daemon]:
    """A daemon that works while the block lasts."""
    with starting_daemon(site, **environ) as daemon:
        yield daemon.ready()


@contextmanager
def starting_daemon(site: Site, **environ: str) -> Iterator[Daemon]:
    """A daemon that has just been started. It does not outlive the block."""
    path = site.folder / "notify"
    path.unlink(missing_ok=True)
    notify = NotifySocket(path)
    daemon = Daemon(site, notify, **environ)
    try:
        yield daemon
    finally:
        if daemon.process.poll() is None:
            daemon.kill()
        notify.close()


def twin_json(address: str, path: str) -> Any:
    """What a twin's own endpoint answers."""
    with urllib.request.urlopen(f"{address}{path}", timeout=PATIENCE_S) as answer:
        return json.loads(answer.read())


def invoice_of(address: str) -> dict[str, int]:
    """A twin's invoice: request id → nano-dollars."""
    return {line["request_id"]: line["cost_nanousd"] for line in twin_json(address, "/twin/invoice")["lines"]}
