"""Processes: the demo's twin and daemon, which end when the demo ends, however it ends."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import TypeVar

from claudeflow.cli.exits import Exit
from claudeflow.cli.problems import Failure

TAIL_LINES = 15
STOP_PATIENCE_S = 5.0
POLL_S = 0.05

_NOT_FOR_CHILDREN = ("CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "WATCHDOG_USEC")
_PR_SET_PDEATHSIG = 1

_T = TypeVar("_T")


class Child:
    """A `claudeflow` command in a process of its own. What it says goes to a file."""

    def __init__(self, arguments: Sequence[str], log: Path, environ: Mapping[str, str]) -> None:
        self.name = arguments[0]
        self.log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and program
                [sys.executable, "-m", "claudeflow.cli.main", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=_environment(environ),
                start_new_session=True,  # Ctrl-C reaches the demo alone, which then stops this
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - no thread runs yet
            )

    def check(self) -> None:
        """Raise Failure with the last lines that the process wrote, when it has ended."""
        code = self._process.poll()
        if code is not None:
            raise Failure(
                Exit.FAILED,
                [
                    f"`claudeflow {self.name}` ended with exit code {code}; {self.log} ends with:",
                    *self.tail(),
                ],
            )

    def tail(self) -> list[str]:
        """The last lines that the process wrote."""
        return self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL_LINES:]

    def stop(self) -> None:
        """Ask it to end, and make it when it does not. Does nothing once it has ended."""
        self._process.terminate()
        try:
            self._process.wait(STOP_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextlib.contextmanager
def child(arguments: Sequence[str], log: Path, environ: Mapping[str, str]) -> Iterator[Child]:
    """Run a `claudeflow` command while the block lasts."""
    process = Child(arguments, log, environ)
    try:
        yield process
    finally:
        process.stop()


def wait_for(process: Child, found: Callable[[], _T | None], what: str, until: float) -> _T:
    """What `found` gives once it gives something. Raises Failure at `until` (monotonic), or sooner
    when the process has ended.
    """
    while True:
        result = found()
        if result is not None:
            return result
        process.check()
        if time.monotonic() >= until:
            raise Failure(Exit.FAILED, [f"{what} in time; {process.log} ends with:", *process.tail()])
        time.sleep(POLL_S)


@contextlib.contextmanager
def ending_in_order() -> Iterator[None]:
    """Let SIGTERM and SIGHUP unwind the stack as Ctrl-C does, so that every child is stopped."""

    def interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 (a handler's signature)
        raise KeyboardInterrupt

    ours = [
        number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) != signal.SIG_IGN
    ]
    before = {number: signal.signal(number, interrupt) for number in ours}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _environment(changes: Mapping[str, str]) -> dict[str, str]:
    """Ours without what service managers meant for us alone."""
    inherited = {key: value for key, value in os.environ.items() if key not in _NOT_FOR_CHILDREN}
    return {**inherited, **changes}


def _end_with_parent() -> None:
    """Ask the kernel for SIGTERM when the demo dies without a chance to clean up."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
