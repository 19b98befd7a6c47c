"""A lane of 100,000 jobs through Message Batches: does memory stay flat, and does anybody wait for it?

The jobs come as NDJSON, ten thousand in a request; the API (a twin) takes some seconds for each batch.
Meanwhile somebody submits interactive jobs one by one and waits for each, somebody asks for the status and
for the batches, and a heart in the daemon's loop notes every late beat.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson

from benchmarks.machine import cpu_s, rss_mb
from benchmarks.processes import Daemon, UnixConnection, daemon
from benchmarks.size import Size, number, percentile, table
from claudeflow.twin.child import twin_process
from claudeflow.twin.settings import TwinSettings

PROBED = (sys.executable, "-m", "benchmarks.probed_daemon")
IN_ONE_REQUEST = 10_000
PAUSE_S = 0.1
PATIENCE_S = 3_600.0
TEXT = "Rule 4711 permits tcp/443 from group app-servers to host 192.0.2.17. " * 3
SETTINGS = """
[lanes.interactive]
weight = 8.0
reserve = 0.05
max_wait_s = 60.0
retry_window_s = 300.0
[lanes.standard]
weight = 3.0
[lanes.bulk]
weight = 1.0
max_wait_s = 86400.0
retry_window_s = 86400.0
batch = "always"
[batches]
max_age_s = 2.0
poll_s = 1.0
"""


@dataclass(slots=True)
class Watch:
    """What somebody outside sees of the daemon: moments in seconds since the submission began."""

    memory: list[tuple[float, float]] = field(default_factory=list)
    booked: list[tuple[float, int]] = field(default_factory=list)
    acknowledged_ms: list[float] = field(default_factory=list)
    answered_ms: list[float] = field(default_factory=list)
    status_ms: list[float] = field(default_factory=list)
    listed_ms: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Course:
    """How it went, alone and under the batches."""

    jobs: int
    alone: Watch
    busy: Watch
    intake_s: float
    all_s: float
    cpu_s: float
    peak_mb: float
    largest_upload_mb: float
    batches: int
    stalls_ms: list[float]


def run(size: Size) -> Iterator[str]:
    """The course, memory over time, and the waits of the others."""
    count = size.of(tiny=300, quick=10_000, full=100_000)
    course = _watch(count, rest_s=size.of(tiny=0.5, quick=8.0, full=20.0))
    yield (
        f"{course.jobs:,} jobs in {course.batches} batches; the largest upload had "
        f"{course.largest_upload_mb:.1f} MB."
    )
    yield table(("", "measured"), _facts(course))
    yield table(("of the time", "jobs booked", "RSS, MB"), _over_time(course))
    yield table(("ms", "alone p50", "p95", "beside the batches p50", "p95", "most"), _waits(course))


def _facts(course: Course) -> Iterator[list[str]]:
    first_s = next((at for at, booked in course.busy.booked if booked), course.all_s)
    yield ["all accepted after, s", number(course.intake_s, 1)]
    yield ["first answers readable after, s", number(first_s, 1)]
    yield ["all answered after, s", number(course.all_s, 1)]
    yield ["jobs a second, from the first answers on", number(_speed(course, first_s), 0)]
    yield ["CPU of the daemon, ms a job", number(1000 * course.cpu_s / course.jobs, 2)]
    memory = [mb for _, mb in course.busy.memory]
    yield ["RSS before, at the end, MB", f"{memory[0]:.0f}, {memory[-1]:.0f}"]
    yield ["RSS at its peak, MB", number(course.peak_mb, 0)]
    yield ["longest stall of the loop, ms", number(max(course.stalls_ms, default=0.0), 1)]
    yield ["stalls of more than 20 ms", str(sum(late > 20 for late in course.stalls_ms))]


def _speed(course: Course, first_s: float) -> float:
    return course.jobs / max(course.all_s - first_s, 1.0)


def _over_time(course: Course) -> Iterator[list[str]]:
    for tenth in range(0, 11, 2):
        at = course.all_s * tenth / 10
        booked = max((booked for when, booked in course.busy.booked if when <= at), default=0)
        memory = [mb for when, mb in course.busy.memory if when <= at] or [course.busy.memory[0][1]]
        yield [f"{10 * tenth} % ({at:.0f} s)", f"{booked:,}", number(memory[-1], 0)]


def _waits(course: Course) -> Iterator[list[str]]:
    names = {
        "an interactive job acknowledged": "acknowledged_ms",
        "an interactive job answered": "answered_ms",
        "`GET /v1/status`": "status_ms",
        "`GET /v1/batches`": "listed_ms",
    }
    for name, attribute in names.items():
        alone: list[float] = getattr(course.alone, attribute)
        busy: list[float] = getattr(course.busy, attribute)
        figures = [percentile(found, share) for found in (alone, busy) for share in (0.5, 0.95)]
        yield [name, *(number(figure, 1) for figure in (*figures, max(busy)))]


def _watch(count: int, rest_s: float) -> Course:
    settings = TwinSettings(
        rpm=1_000_000,
        itpm=1_000_000_000,
        otpm=1_000_000_000,
        reply_tokens=30,
        batch_start_s=1.0,
        batch_item_s=0.8,
        batch_concurrency=2_500,
    )
    with ExitStack() as stack:
        twin = stack.enter_context(twin_process(settings))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        alone, busy = Watch(), Watch()
        with daemon(folder, twin.address, SETTINGS, program=PROBED) as running:
            with _watched(running, alone):
                time.sleep(rest_s)
            began_s = time.monotonic()
            course = _course(running, count, alone, busy)
        # The heart's notes are whole when the daemon has ended.
        lines = (folder / "stalls.jsonl").read_text(encoding="utf-8").splitlines()
        stalls = [1000 * one["late_s"] for one in map(orjson.loads, lines) if one["at"] >= began_s]
        return replace(course, stalls_ms=stalls)


def _course(running: Daemon, count: int, alone: Watch, busy: Watch) -> Course:
    began_s, used_s = time.monotonic(), cpu_s(running.pid)
    with _watched(running, busy) as people:
        for first in range(0, count, IN_ONE_REQUEST):
            running.submit(_jobs(first, min(count, first + IN_ONE_REQUEST)))
        intake_s = time.monotonic() - began_s
        while not busy.booked or busy.booked[-1][1] < count:
            time.sleep(0.05)
            if people.in_trouble or time.monotonic() - began_s > PATIENCE_S:
                raise RuntimeError(f"{busy.booked[-1:]} of {count} jobs booked")
    made = _all_batches(running)
    return Course(
        jobs=count,
        alone=alone,
        busy=busy,
        intake_s=intake_s,
        all_s=busy.booked[-1][0],
        cpu_s=cpu_s(running.pid) - used_s,
        peak_mb=rss_mb(running.pid, peak=True),
        largest_upload_mb=max(batch["size_bytes"] for batch in made) / 1e6,
        batches=len(made),
        stalls_ms=[],
    )


def _jobs(first: int, end: int) -> bytes:
    return b"".join(_job(n, "bulk") + b"\n" for n in range(first, end))


def _job(n: int, lane: str) -> bytes:
    messages = [{"role": "user", "content": f"{n}: {TEXT}"}]
    request = {"model": "claude-haiku-5-5", "max_tokens": 300, "messages": messages}
    return orjson.dumps({"request": request, "lane": lane, "workflow": "rules"})


def _all_batches(running: Daemon) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    before = ""
    while True:
        page = running.ask("GET", f"/v1/batches?limit=100{before}")
        found += page["batches"]
        if page["next"] is None:
            return found
        before = f"&before={page['next']}"


@contextmanager
def _watched(running: Daemon, watch: Watch) -> Iterator[_People]:
    """People at the daemon while the block lasts, each with a connection of their own."""
    people = _People(running, watch)
    wanted = (people.look_at_memory, people.ask_for_the_status, people.ask_for_batches, people.work)
    with ThreadPoolExecutor(len(wanted)) as threads:
        people.tasks = [threads.submit(people.repeat, person) for person in wanted]
        try:
            yield people
        finally:
            people.over.set()
    for task in people.tasks:
        task.result()


class _People:
    """Who uses a daemon meanwhile."""

    def __init__(self, running: Daemon, watch: Watch) -> None:
        self.over = threading.Event()
        self.tasks: list[Future[None]] = []
        self._running = running
        self._watch = watch
        self._began_s = time.monotonic()

    @property
    def in_trouble(self) -> bool:
        """Whether one of them has given up."""
        return any(task.done() for task in self.tasks)

    def repeat(self, person: Callable[[UnixConnection], None]) -> None:
        """Do the same again and again, over one connection."""
        with closing(UnixConnection(self._running.socket)) as connection:
            person(connection)
            while not self.over.wait(PAUSE_S):
                person(connection)

    def look_at_memory(self, _: UnixConnection) -> None:
        self._watch.memory.append((self._elapsed_s(), rss_mb(self._running.pid)))

    def ask_for_the_status(self, connection: UnixConnection) -> None:
        status, took_ms = _timed(connection, "GET", "/v1/status")
        booked = sum(lane["succeeded"] for lane in status["lanes"] if lane["lane"] == "bulk")
        self._watch.status_ms.append(took_ms)
        self._watch.booked.append((self._elapsed_s(), booked))

    def ask_for_batches(self, connection: UnixConnection) -> None:
        self._watch.listed_ms.append(_timed(connection, "GET", "/v1/batches")[1])

    def work(self, connection: UnixConnection) -> None:
        job = _job(len(self._watch.answered_ms), "interactive")
        accepted, accepted_ms = _timed(connection, "POST", "/v1/jobs", job)
        found, answered_ms = _timed(connection, "GET", f"/v1/jobs/{accepted['id']}?wait=60")
        if found["state"] != "succeeded":
            raise RuntimeError(f"job {accepted['id']} is {found['state']}")
        self._watch.acknowledged_ms.append(accepted_ms)
        self._watch.answered_ms.append(accepted_ms + answered_ms)

    def _elapsed_s(self) -> float:
        return time.monotonic() - self._began_s


def _timed(
    connection: UnixConnection, method: str, path: str, body: bytes | None = None
) -> tuple[Any, float]:
    began_s = time.perf_counter()
    answer = connection.ask(method, path, body)
    return answer, 1000 * (time.perf_counter() - began_s)
