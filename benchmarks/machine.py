"""The machine: what it is, which core does what, and how much a process has used of it."""

from __future__ import annotations

import os
import platform
import sqlite3
import time
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("anthropic", "httpx2", "aiohttp", "uvloop")


CORES = sorted(os.sched_getaffinity(0))


def measured_core() -> int:
    """The core on which what is measured runs, alone."""
    return CORES[0]


def other_core() -> int:
    """The core for everything else: API, producers, this program. The same one if there is only one."""
    return CORES[-1]


def machine_line() -> str:
    """Where and with what these figures were measured."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    stamp = time.strftime("%Y-%m-%d", time.gmtime())
    return (
        f"{stamp}, {os.cpu_count()} x {_processor()}, Linux {platform.release()}, "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {packages}"
    )


def cpu_s(pid: int) -> float:
    """CPU seconds that a process has used, in all its threads, to the nanosecond."""
    # The clock id that clock_getcpuclockid(3) would return; Python has no name for it.
    return time.clock_gettime((~pid << 3) | 2)


def rss_mb(pid: int, *, peak: bool = False) -> float:
    """Resident memory of a process in MB: now, or the most that it ever was."""
    wanted = "VmHWM:" if peak else "VmRSS:"
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith(wanted):
            return int(line.split()[1]) * 1024 / 1e6
    raise ProcessLookupError(pid)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def peak_mb(pid: int) -> float:
    """The most memory that a process has had at once."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024
