"""Who plays: each program is a process of its own, all on the measured core."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.machine import cpu_s, measured_core
from benchmarks.peers import venvs
from benchmarks.peers.programs.stage import Outcome, Plan
from benchmarks.processes import QUIET, Daemon, daemon, process

PROGRAMS = Path(__file__).parent / "programs"


@dataclass(frozen=True, slots=True)
class Performer:
    """One column of the tables.

    `peer` names its environment; None is claudeflow's own. `keeps_store`: its daemon finds again what
    the one before it has learned.
    """

    name: str
    script: str
    peer: str | None = None
    has_daemon: bool = False
    keeps_store: bool = False

    @property
    def python(self) -> Path | None:
        """The interpreter; None when the peer is not installed."""
        return Path(sys.executable) if self.peer is None else venvs.python_of(self.peer)


PERFORMERS = (
    Performer("SDK in a loop of 2 s", "naive.py"),
    Performer("SDK, 40 retries", "sdk.py"),
    Performer("SDK, told the limit", "oracle.py"),
    Performer("inspect_ai", "adaptive.py", "inspect_ai"),
    Performer("LiteLLM Router", "router.py", "litellm"),
    Performer("claudeflow, first start", "producer.py", has_daemon=True),
    Performer("claudeflow", "producer.py", has_daemon=True, keeps_store=True),
)


def installed() -> list[Performer]:
    """Those that can play."""
    return [performer for performer in PERFORMERS if performer.python is not None]


def missing() -> list[str]:
    """The peers that are not installed."""
    return [performer.peer for performer in PERFORMERS if performer.peer and performer.python is None]


class Running:
    """A program that plays."""

    def __init__(self, child: subprocess.Popen[str], plan: Plan, log: Path, served_by: Daemon | None) -> None:
        self._child = child
        self._log = log
        self._daemon = served_by
        self._daemon_cpu_s = 0.0
        self._say(plan.write())

    def get_ready(self) -> None:
        """Return when it has read the plan and imported what it needs. Raises RuntimeError if it cannot."""
        self._hear("ready")

    def start(self, at: float) -> None:
        """Let it begin at that monotonic moment."""
        self._daemon_cpu_s = cpu_s(self._daemon.pid) if self._daemon else 0.0
        self._say(str(at))

    def outcome(self) -> Outcome:
        """What became of the jobs, once all is over. CPU is the daemon's where there is one."""
        outcome = Outcome(**json.loads(self._hear("{")))
        if self._daemon is None:
            return outcome
        return replace(outcome, cpu_s=cpu_s(self._daemon.pid) - self._daemon_cpu_s)

    def _say(self, line: str) -> None:
        assert self._child.stdin is not None
        self._child.stdin.write(f"{line}\n")
        self._child.stdin.flush()

    def _hear(self, beginning: str) -> str:
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        if not line.startswith(beginning):
            raise RuntimeError(f"{self._child.args!r} ended early: {self._log.read_text()[-1000:]}")
        return line


@contextlib.contextmanager
def performing(performer: Performer, plan: Plan, folder: Path) -> Iterator[Running]:
    """Start a program, and the daemon that serves it; both end with the block."""
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        served_by = stack.enter_context(daemon(folder, plan.url)) if performer.has_daemon else None
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder), **QUIET}
        if served_by is not None:
            environment["CLAUDEFLOW_SOCKET"] = str(served_by.socket)
        log_file = folder / "program.log"
        log = stack.enter_context(log_file.open("w", encoding="utf-8"))
        command = [str(performer.python), str(PROGRAMS / performer.script)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": log, "env": environment}
        child = stack.enter_context(process(command, measured_core(), **pipes))
        yield Running(child, plan, log_file, served_by)
