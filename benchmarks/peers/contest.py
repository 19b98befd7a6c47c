"""All programs play each scene at the same time, each against a twin of its own."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.peers import venvs
from benchmarks.peers.api import Api, Before, Traffic
from benchmarks.peers.performers import Performer, Running, installed, missing, performing
from benchmarks.peers.programs.stage import Outcome
from benchmarks.peers.scenes import RPM, Scene, lesson, scenes, twin_settings
from benchmarks.size import Size, number, percentile, table
from claudeflow.twin.child import twin_process

HEAD_START_S = 1.0
SAMPLES = 100


@dataclass(frozen=True, slots=True)
class Course:
    """How one program fared in one round."""

    outcome: Outcome
    traffic: Traffic


@dataclass(slots=True)
class Record:
    """All rounds of a scene, by performer; and how long answers take that nothing holds up."""

    courses: dict[Performer, list[Course]] = field(default_factory=lambda: defaultdict(list))
    alone_s: list[float] = field(default_factory=list)

    def add(self, courses: dict[Performer, Course], alone_s: list[float]) -> None:
        """Take in one round."""
        self.alone_s += alone_s
        for performer, course in courses.items():
            self.courses[performer].append(course)


Figure = Callable[[Course], float]


def run_scenes(size: Size) -> Iterator[str]:
    """Which versions play, and a table per scene."""
    performers = _performers(size)
    yield _cast()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        if learners := [performer for performer in performers if performer.keeps_store]:
            _play(lesson(), 0, learners, home)
        for scene in scenes(size):
            record = Record()
            for round_ in range(size.of(tiny=1, quick=1, full=3)):
                record.add(*_play(scene, round_, performers, home))
            yield _introduction(scene, record)
            yield table(("", *(performer.name for performer in record.courses)), _rows(scene, record))


def _performers(size: Size) -> list[Performer]:
    """All who are there; to show that everything runs, those who start quickly are enough."""
    return [one for one in installed() if size.name != "tiny" or not (one.peer or one.keeps_store)]


def _cast() -> str:
    absent = missing()
    lines = [f"{peer}: {venvs.versions_of(peer)}." for peer in venvs.peers() if peer not in absent]
    if absent:
        lines.append(f"Not installed: {', '.join(absent)}; see `python -m benchmarks.peers install`.")
    return "\n".join(lines)


def _play(
    scene: Scene, round_: int, performers: list[Performer], home: Path
) -> tuple[dict[Performer, Course], list[float]]:
    with ExitStack() as stack:
        urls = {
            performer: stack.enter_context(twin_process(twin_settings(round_))).address
            for performer in performers
        }
        running = {
            performer: stack.enter_context(
                performing(performer, scene.plan(urls[performer]), _folder(performer, scene, round_, home))
            )
            # Daemons are waited for: they come before the programs whose imports take all of the core.
            for performer in sorted(performers, key=lambda performer: not performer.has_daemon)
        }
        for program in running.values():
            program.get_ready()
        in_order = [running[performer] for performer in performers]
        courses, alone_s = asyncio.run(_perform(scene, list(urls.values()), in_order))
    return dict(zip(performers, courses, strict=True)), alone_s


def _folder(performer: Performer, scene: Scene, round_: int, home: Path) -> Path:
    name = performer.name.replace(" ", "-")
    return home / name if performer.keeps_store else home / f"{name}-{scene.name}-{round_}"


async def _perform(scene: Scene, urls: list[str], running: list[Running]) -> tuple[list[Course], list[float]]:
    async with AsyncExitStack() as stack:
        apis = [await stack.enter_async_context(Api(url)) for url in urls]
        alone_s = await apis[0].answer_times(SAMPLES)
        if scene.drained:
            await asyncio.gather(*(api.use_up() for api in apis))
            # Nobody is told to wait any more: the refusal's `retry-after` of a second has passed.
            await asyncio.sleep(HEAD_START_S)
        began = await _start(scene, apis, running)
        outcomes = await asyncio.gather(*(asyncio.to_thread(program.outcome) for program in running))
        traffic = [await api.traffic_since(before) for api, before in zip(apis, began, strict=True)]
        return [Course(*both) for both in zip(outcomes, traffic, strict=True)], alone_s


async def _start(scene: Scene, apis: list[Api], running: list[Running]) -> list[Before]:
    at = time.monotonic() + HEAD_START_S
    for program in running:
        program.start(at)
    await asyncio.sleep(max(0.0, at - time.monotonic()))
    script = scene.event.script() if scene.event else None
    return list(await asyncio.gather(*(api.start(script) for api in apis)))


def _introduction(scene: Scene, record: Record) -> str:
    median, worst = statistics.median(record.alone_s), percentile(record.alone_s, 0.99)
    return f"### {scene.name}\n\n{scene.title}. An answer alone takes {median:.1f} s, p99 {worst:.1f} s."


def _rows(scene: Scene, record: Record) -> Iterator[list[str]]:
    if scene.measured_s:
        first_s, all_s = scene.settled_s, scene.measured_s
        yield _row("goodput, jobs a minute", record, lambda course: _goodput(course, 0.0, all_s), 0)
        yield _row("of what the API grants, %", record, lambda course: _share(course, all_s), 0)
        yield _row(f"first {first_s:g} s alone, %", record, lambda course: _share(course, first_s), 0)
        yield _row(
            f"the {all_s - first_s:g} s after that, jobs a minute",
            record,
            lambda course: _goodput(course, first_s, all_s),
            0,
        )
    yield _row("jobs given up", record, lambda course: course.outcome.failed, 0)
    yield _row("jobs not done when patience ended", record, lambda course: _left(course, scene), 0)
    yield _row(
        "all done, s after the last arrival",
        record,
        lambda course: max(0.0, course.outcome.completed_s - scene.arrivals_s),
        0,
    )
    yield _row("calls refused with 429", record, lambda course: len(course.traffic.refused_at), 0)
    yield _row("calls before `retry-after` had passed", record, lambda course: course.traffic.early, 0)
    yield _row("most calls within 100 ms", record, lambda course: course.traffic.worst_burst(), 0)
    yield ["interactive: answer after, s, p50", *_waits(record, 0.5)]
    yield ["p99", *_waits(record, 0.99)]
    yield _row("CPU of the program, ms a job", record, _cpu_ms, 1)


def _row(name: str, record: Record, figure: Figure, digits: int) -> list[str]:
    rounds = ([figure(course) for course in courses] for courses in record.courses.values())
    return [name, *(number(statistics.median(values), digits) for values in rounds)]


def _waits(record: Record, share: float) -> Iterator[str]:
    for courses in record.courses.values():
        waits = [wait_s for course in courses for wait_s in course.outcome.interactive_s]
        yield number(percentile(waits, share), 1) if waits else "none answered"


def _goodput(course: Course, from_s: float, until_s: float) -> float:
    return course.traffic.granted_between(from_s, until_s) * 60 / (until_s - from_s)


def _share(course: Course, seconds: float) -> float:
    granted = course.traffic.level + RPM / 60 * seconds
    return 100 * course.traffic.granted_between(0.0, seconds) / granted


def _left(course: Course, scene: Scene) -> float:
    return len(scene.jobs) - course.outcome.done - course.outcome.failed


def _cpu_ms(course: Course) -> float:
    return 1000 * course.outcome.cpu_s / max(1, course.outcome.done)
