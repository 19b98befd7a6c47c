"""Does the command line feel instant? Whole processes, beside the least that Python could take."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.processes import Daemon, daemon, fake_api, unlimited
from benchmarks.size import Size, ratio, spread, table
from benchmarks.workload import job

PROGRAM = Path(sys.executable).with_name("claudeflow")
LEAST = [sys.executable, "-c", "import click, sqlite3"]


def run(size: Size) -> Iterator[str]:
    """One row per command."""
    times = size.of(tiny=1, quick=9, full=25)
    with (
        fake_api() as api,
        tempfile.TemporaryDirectory() as folder,
        daemon(Path(folder), api.url, unlimited(64)) as running,
    ):
        commands = _commands(running)
        environment = {**os.environ, "CLAUDEFLOW_CONFIG": str(running.config)}
        found: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(times + 1):
            for name, command in commands.items():
                found[name].append(_milliseconds(command, environment))
    least = next(iter(found))
    rows = [[name, spread(ms[1:], 0), ratio(ms[1:], found[least][1:])] for name, ms in found.items()]
    yield table(("whole process", "ms", f"against {least}"), rows)


def _commands(running: Daemon) -> dict[str, list[str]]:
    single = running.folder / "job.json"
    single.write_bytes(job())
    program = str(PROGRAM)
    return {
        '`python -c "import click, sqlite3"`': LEAST,
        "`claudeflow version`": [program, "version"],
        "`claudeflow submit`": [program, "submit", str(single)],
        "`claudeflow status`": [program, "status"],
        "`claudeflow list`": [program, "list"],
    }


def _milliseconds(command: list[str], environment: dict[str, str]) -> float:
    began_s = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    elapsed_s = time.perf_counter() - began_s
    if done.returncode:
        raise RuntimeError(f"{command}: {done.stdout}{done.stderr}")
    return 1000 * elapsed_s
