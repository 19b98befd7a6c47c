"""How many jobs does the socket accept a second, each on the disk before it is acknowledged?

Jobs that are not due before tomorrow, so that nothing but the intake is measured. Beside it: one
thread that does nothing but INSERT and COMMIT, each flushed to the same disk. Then a large body in
each of its three ways, and the most memory that the daemon takes for it.
"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.load import post_jobs, prepared, send_lines
from benchmarks.machine import cpu_s, peak_mb
from benchmarks.processes import Daemon, FakeApi, daemon, fake_api, unlimited
from benchmarks.size import Size, number, percentile, spread, table
from benchmarks.workload import job, jobs

TOMORROW = "+1d"
NDJSON = "application/x-ndjson"

WAYS = (
    ("all or nothing", "", "application/json"),
    ("`partial=true`", "?partial=true", "application/json"),
    ("answered by line", "", NDJSON),
)
"""Name, query and what is accepted."""


def run(size: Size) -> Iterator[str]:
    """A table by producers, and one line for a large request."""
    count = size.of(tiny=20, quick=3_000, full=10_000)
    with fake_api() as api, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with daemon(folder, api.url, unlimited(64)) as running:
            yield _by_producers(running, folder, count, size)
            yield _in_one_request(running, size)
        yield _bulk(folder, api, size)


def _by_producers(running: Daemon, folder: Path, count: int, size: Size) -> str:
    request = prepared(job(not_before=TOMORROW))
    levels = size.of(tiny=(1, 4), quick=(1, 16, 64), full=(1, 16, 64))
    commits: list[float] = []
    speeds: dict[int, list[float]] = {n: [] for n in levels}
    waits: dict[int, list[float]] = {n: [] for n in levels}
    used: dict[int, list[float]] = {n: [] for n in levels}
    for _ in range(size.rounds):
        commits.append(_bare_commits(folder / "bare.db", count // 10))
        for producers in levels:
            used_s, began_s = cpu_s(running.pid), time.perf_counter()
            found = post_jobs(running.socket, request, count, producers)
            speeds[producers].append(count / (time.perf_counter() - began_s))
            used[producers].append(1000 * (cpu_s(running.pid) - used_s) / count)
            waits[producers] += [1000 * wait for wait in found]
    rows = [
        [
            f"{n} producers",
            spread(speeds[n], 0),
            number(percentile(waits[n], 0.5), 2),
            number(percentile(waits[n], 0.99), 2),
            spread(used[n]),
        ]
        for n in levels
    ]
    bare = ["bare INSERT + COMMIT, one thread", spread(commits, 0), "", "", ""]
    headings = ("one request per job", "jobs/s", "acknowledged p50, ms", "p99, ms", "daemon CPU, ms per job")
    return table(headings, [bare, *rows])


def _in_one_request(running: Daemon, size: Size) -> str:
    count = size.of(tiny=50, quick=10_000, full=10_000)
    body = jobs(count, not_before=TOMORROW)
    found: dict[str, list[float]] = {"all or nothing": [], "`partial=true`": []}
    for _ in range(size.rounds):
        for name, query in zip(found, ("", "?partial=true"), strict=True):
            began_s = time.perf_counter()
            running.ask("POST", f"/v1/jobs{query}", body, "application/x-ndjson")
            found[name].append(time.perf_counter() - began_s)
    rows = [[name, spread(seconds), number(len(body) / 1e6, 1)] for name, seconds in found.items()]
    return table((f"{count:,} jobs as NDJSON in one request", "s", "MB"), rows)


def _bulk(folder: Path, api: FakeApi, size: Size) -> str:
    """A large body in each of the three ways, each by a daemon of its own: seconds, and the most memory."""
    count = size.of(tiny=200, quick=20_000, full=100_000)
    rows = []
    for number_of, (name, query, accept) in enumerate(WAYS):
        place = folder / f"bulk-{number_of}"
        place.mkdir()
        with daemon(place, api.url, unlimited(64)) as running:
            before_mb, began_s = peak_mb(running.pid), time.perf_counter()
            send_lines(running.socket, job(not_before=TOMORROW) + b"\n", count, query, accept)
            elapsed_s = time.perf_counter() - began_s
            grown_mb = peak_mb(running.pid) - before_mb
        rows.append([name, number(elapsed_s, 1), number(count / elapsed_s, 0), number(grown_mb, 0)])
    headings = (f"{count:,} jobs as NDJSON in one request", "s", "jobs/s", "memory at most, MB above before")
    return table(headings, rows)


def _bare_commits(path: Path, count: int) -> float:
    """Commits a second of one thread that inserts the same bytes."""
    raw = sqlite3.connect(path, isolation_level=None)
    raw.execute("PRAGMA journal_mode = WAL").fetchone()
    raw.execute("PRAGMA synchronous = FULL")
    raw.execute("CREATE TABLE IF NOT EXISTS bare (id INTEGER PRIMARY KEY, body BLOB)")
    body = job()
    began_s = time.perf_counter()
    for _ in range(count):
        raw.execute("INSERT INTO bare (body) VALUES (?)", (body,))
    elapsed_s = time.perf_counter() - began_s
    raw.close()
    return count / elapsed_s
