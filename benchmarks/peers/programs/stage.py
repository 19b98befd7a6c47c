"""The stage on which every program plays: the same jobs at the same moments. Standard library only.

A program is a script that calls `run` with an async context manager; what that yields makes the call
of one job and raises when it gives up. On stdin come two lines: the plan as JSON, and when everybody
is ready the monotonic moment of the start. On stdout go `ready` and, in the end, what became of it all.

Bulk jobs are taken by `workers` workers in order of arrival. Interactive jobs do not queue behind
them: each is called at once, as in a program that serves people beside its bulk work.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

MODEL = "claude-haiku-5-5"
MAX_TOKENS = 500
TEXT = "Rule %d permits tcp/443 from group app-servers to host 192.0.2.17 until the end of the month. "
REPETITIONS = 20
RETRIES = 40
"""So many that no job is lost for want of them."""
INTERACTIVE = "interactive"
BULK = "bulk"


class Job(NamedTuple):
    """One job; `at_s` counts from the start."""

    number: int
    lane: str
    at_s: float


@dataclass(frozen=True)
class Plan:
    """What happens; the true limits; and in `answer_s` the mean time that an answer takes."""

    url: str
    rpm: int
    itpm: int
    otpm: int
    workers: int
    answer_s: float
    give_up_s: float
    jobs: list[Job]

    @classmethod
    def read(cls, text: str) -> Plan:
        """Inverse of `write`."""
        document = json.loads(text)
        return cls(**{**document, "jobs": [Job(*job) for job in document["jobs"]]})

    def write(self) -> str:
        """One line of JSON."""
        return json.dumps(self.__dict__)


@dataclass
class Outcome:
    """What became of the jobs. `interactive_s`: from the arrival of each interactive job to its answer."""

    done: int = 0
    failed: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    interactive_s: list[float] = field(default_factory=list)
    completed_s: float = 0.0
    cpu_s: float = 0.0

    def note_failure(self, error: BaseException) -> None:
        """A job is given up."""
        name = type(error).__name__
        self.failed += 1
        self.errors[name] = self.errors.get(name, 0) + 1


Call = Callable[[Job], Awaitable[Any]]
Program = Callable[[Plan], AbstractAsyncContextManager[Call]]
Play = Callable[[Plan, "Cue"], Coroutine[Any, Any, Outcome]]
Cue = Callable[[], Awaitable[float]]


def request(number: int) -> dict[str, Any]:
    """The Messages body of a job: about 2 KB, and no two alike."""
    text = (TEXT % number) * REPETITIONS
    return {"model": MODEL, "max_tokens": MAX_TOKENS, "messages": [{"role": "user", "content": text}]}


def run(program: Program) -> None:
    """Play a program that makes one call per job."""

    async def play(plan: Plan, cue: Cue) -> Outcome:
        async with program(plan) as call:
            # Some build half of themselves during their first call.
            await call(Job(-1, BULK, 0.0))
            return await _Performance(plan, call, await cue()).complete()

    run_play(play)


def run_play(play: Play) -> None:
    """Play anything that keeps to the two lines in and the two out."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    # What a library prints must not get between our own lines.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    plan = Plan.read(sys.stdin.readline())

    async def cue() -> float:
        print("ready", file=answers)
        return float(await asyncio.to_thread(sys.stdin.readline))

    outcome = asyncio.run(play(plan, cue))
    print(json.dumps(outcome.__dict__), file=answers)
    answers.flush()
    # Clean-up of clients that still retry would only take time: everything is said.
    os._exit(0)


async def arrivals(jobs: list[Job], began: float) -> AsyncIterator[Job]:
    """Each job when it is due."""
    for job in jobs:
        await asyncio.sleep(max(0.0, began + job.at_s - time.monotonic()))
        yield job


class _Performance:
    def __init__(self, plan: Plan, call: Call, began: float) -> None:
        self._plan = plan
        self._call = call
        self._began = began
        self._bulk: asyncio.Queue[Job] = asyncio.Queue()
        self._outcome = Outcome()
        self._over = asyncio.Event()

    async def complete(self) -> Outcome:
        """Until every job is done or given up, or the patience ends."""
        await asyncio.sleep(max(0.0, self._began - time.monotonic()))
        cpu_s = time.process_time()
        tasks = [asyncio.create_task(self._work()) for _ in range(self._plan.workers)]
        tasks.append(asyncio.create_task(self._let_arrive(tasks)))
        try:
            await asyncio.wait_for(self._over.wait(), self._began + self._plan.give_up_s - time.monotonic())
        except TimeoutError:
            self._outcome.completed_s = self._plan.give_up_s
        self._outcome.cpu_s = time.process_time() - cpu_s
        return self._outcome

    async def _let_arrive(self, tasks: list[asyncio.Task[None]]) -> None:
        async for job in arrivals(self._plan.jobs, self._began):
            if job.lane == INTERACTIVE:
                tasks.append(asyncio.create_task(self._attend(job)))
            else:
                self._bulk.put_nowait(job)

    async def _work(self) -> None:
        while True:
            await self._attend(await self._bulk.get())

    async def _attend(self, job: Job) -> None:
        outcome = self._outcome
        try:
            await self._call(job)
        except Exception as error:  # noqa: BLE001 - whatever a library raises, the job is lost
            outcome.note_failure(error)
        else:
            outcome.done += 1
            if job.lane == INTERACTIVE:
                outcome.interactive_s.append(time.monotonic() - self._began - job.at_s)
        outcome.completed_s = time.monotonic() - self._began
        if outcome.done + outcome.failed == len(self._plan.jobs):
            self._over.set()
