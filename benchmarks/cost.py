"""What does it cost to let a job be held, paced and booked instead of calling the SDK oneself?

CPU of the daemon's process from the submission of the jobs to the last result on the disk, beside
the CPU of a program that makes the same calls with the SDK as it comes. In turn, on the same core.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import post_jobs, prepared
from benchmarks.machine import rss_mb
from benchmarks.processes import Daemon, Spent, caller, daemon, fake_api, unlimited
from benchmarks.size import Size, number, ratio, spread, table
from benchmarks.workload import job, jobs

LONG_LATENCY_S = 3.0
HEADINGS = (
    "in flight",
    "answer after",
    "bare call, ms",
    "our client alone, ms",
    "whole job, ms",
    "whole job / bare call",
    "beyond our client, ms",
    "jobs/s",
    "bare calls/s",
    "peak RSS, MB",
)


@dataclass(frozen=True, slots=True)
class Level:
    """So many calls in flight, so many in all, each answered after `latency_s`."""

    in_flight: int
    latency_s: float
    total: int


def run(size: Size) -> Iterator[str]:
    """One table over the levels, and one over the ways in."""
    yield "CPU in ms per call or job, all threads; jobs submitted as NDJSON, `synchronous=FULL`."
    yield table(HEADINGS, [_row(level, size.rounds) for level in _levels(size)])
    yield _ways_in(size)


def _levels(size: Size) -> list[Level]:
    total = size.of(tiny=20, quick=1_500, full=4_000)
    at_once = [
        Level(n, 0.0, total) for n in size.of(tiny=(4,), quick=(1, 16, 64, 256), full=(1, 16, 64, 256))
    ]
    wide = size.of(tiny=(), quick=(1_000, 2_500), full=(1_000, 2_500))
    return at_once + [Level(n, LONG_LATENCY_S, 2 * n) for n in wide]


def _row(level: Level, rounds: int) -> list[str]:
    bare, ours, whole, peak_mb = _measure(level, rounds)
    per_call = [[1000 * spent.cpu_s / level.total for spent in kind] for kind in (bare, ours, whole)]
    speeds = [[level.total / spent.elapsed_s for spent in kind] for kind in (whole, bare)]
    beyond = [job_ms - call_ms for job_ms, call_ms in zip(per_call[2], per_call[1], strict=True)]
    return [
        number(level.in_flight, 0),
        f"{level.latency_s:g} s" if level.latency_s else "at once",
        *(spread(figures) for figures in per_call),
        ratio(per_call[2], per_call[0]),
        spread(beyond),
        *(spread(speed, 0) for speed in speeds),
        number(peak_mb, 0),
    ]


def _measure(level: Level, rounds: int) -> tuple[list[Spent], list[Spent], list[Spent], float]:
    with ExitStack() as stack:
        api = stack.enter_context(fake_api(level.latency_s))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        running = stack.enter_context(daemon(folder, api.url, unlimited(level.in_flight)))
        bare = stack.enter_context(caller("sdk", api.url, level.in_flight))
        ours = stack.enter_context(caller("ours", api.url, level.in_flight))

        def whole(total: int) -> Spent:
            return running.work_off(total, lambda: running.submit(jobs(total)), api)

        for make in (bare.make, ours.make, whole):
            make(min(level.total, max(100, level.in_flight)))
        found = [[make(level.total) for make in (bare.make, ours.make, whole)] for _ in range(rounds)]
        columns = [[spent[kind] for spent in found] for kind in range(3)]
        return columns[0], columns[1], columns[2], rss_mb(running.pid, peak=True)


def _ways_in(size: Size) -> str:
    in_flight = size.of(tiny=4, quick=64, full=64)
    total = size.of(tiny=20, quick=1_500, full=4_000)
    with (
        fake_api() as api,
        tempfile.TemporaryDirectory() as folder,
        daemon(Path(folder), api.url, unlimited(in_flight)) as running,
    ):
        ways = _ways(running, total)
        found: list[list[Spent]] = [[] for _ in ways]
        for _ in range(size.rounds):
            for kind, (_, submit) in enumerate(ways):
                found[kind].append(running.work_off(total, submit, api))
    rows = [
        [
            name,
            spread([1000 * one.cpu_s / total for one in spent]),
            spread([total / one.elapsed_s for one in spent], 0),
        ]
        for (name, _), spent in zip(ways, found, strict=True)
    ]
    return table((f"way in, {in_flight} calls in flight", "CPU ms per job", "jobs/s"), rows)


def _ways(running: Daemon, total: int) -> list[tuple[str, Callable[[], None]]]:
    """Ways to submit the same jobs."""
    single = prepared(job())

    def one_by_one(producers: int) -> None:
        post_jobs(running.socket, single, total, producers)

    return [
        ("NDJSON, one request", lambda: running.submit(jobs(total))),
        ("one request per job, 1 producer", lambda: one_by_one(1)),
        ("one request per job, 16 producers", lambda: one_by_one(16)),
    ]
