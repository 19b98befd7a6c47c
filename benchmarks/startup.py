"""How soon is the daemon there, and what does it need while nothing is to be done?"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.machine import cpu_s, measured_core, rss_mb
from benchmarks.processes import CLAUDEFLOW_RUN, Daemon, await_ready, process, unlimited, write_config
from benchmarks.size import Size, spread, table


def run(size: Size) -> Iterator[str]:
    """One table."""
    idle_s = size.of(tiny=0.1, quick=3.0, full=20.0)
    found = [_start(idle_s) for _ in range(size.rounds)]
    names = ("socket open after, s", "at work after, s", "RSS at rest, MB", "CPU at rest, % of a core")
    columns = zip(*found, strict=True)
    yield table(
        ("", "median [min - max]"),
        [[name, spread(column)] for name, column in zip(names, columns, strict=True)],
    )


def _start(idle_s: float) -> tuple[float, float, float, float]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_config(folder, "http://127.0.0.1:9", unlimited(64))
        command = [*CLAUDEFLOW_RUN, str(folder / "claudeflow.toml")]
        options = {"env": {**os.environ, "ANTHROPIC_API_KEY": "bench"}, "stderr": subprocess.DEVNULL}
        began_s = time.perf_counter()
        with process(command, measured_core(), **options) as child:
            running = Daemon(child, folder)
            _await_socket(running)
            open_s = time.perf_counter() - began_s
            await_ready(running)
            ready_s = time.perf_counter() - began_s
            used_s = cpu_s(running.pid)
            time.sleep(idle_s)
            idle_percent = 100 * (cpu_s(running.pid) - used_s) / idle_s
            return open_s, ready_s, rss_mb(running.pid), idle_percent


def _await_socket(running: Daemon) -> None:
    """Return once the daemon answers at all."""
    while running.child.poll() is None:
        try:
            running.ask("GET", "/-/healthy")
        except OSError:
            time.sleep(0.002)
        else:
            return
