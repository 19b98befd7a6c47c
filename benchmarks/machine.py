"""The machine: what it is, which core does what, and how much a process has used of it."""

from __future__ import annotations

import os
import platform
import sqlite3
import time
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("anthropic", "httpx2", "aiohttp", "uvloop")


def measured_core() -> int:
    """The core on which what is measured runs, alone."""
    return min(os.sched_getaffinity(0))


def other_core() -> int:
    """The core for everything else: API, producers, this program. The same one if there is only one."""
    return max(os.sched_getaffinity(0))


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


def rss_mb(pid: int) -> float:
    """Resident memory of a process in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
