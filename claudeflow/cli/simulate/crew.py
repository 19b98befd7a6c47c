"""Crew: carries runs out, one after another here or side by side in processes, and shows how far they are.

Ctrl-C stops every run where it is; what it has measured by then is its result.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Event
from typing import Any, ClassVar

from claudeflow.cli.simulate.bars import Bars, bars
from claudeflow.cli.simulate.plan import Work
from claudeflow.simulation.result import Result
from claudeflow.simulation.trial import Progress, Trial, run_trial

LOOK_EVERY_S = 0.2

Told = tuple[int, Progress]
Handler = Callable[..., Any] | int | None


def run_all(work: Work) -> list[Result]:
    """A result for each trial in their order; when interrupted, for those that had begun.

    Raises ConfigError, OSError, and KeyboardInterrupt when none had begun.
    """
    with bars([trial.label for trial in work.trials]) as shown:
        alone = work.processes == 1
        results = _one_by_one(work, shown) if alone else _side_by_side(work.trials, work.processes, shown)
    if not results:
        raise KeyboardInterrupt
    return results


def _one_by_one(work: Work, shown: Bars) -> list[Result]:
    results: list[Result] = []
    for number, trial in enumerate(work.trials):
        results.append(run_trial(trial, partial(shown.show, number), work.events))
        if not results[-1].complete:
            break
    return results


def _side_by_side(trials: Sequence[Trial], processes: int, shown: Bars) -> list[Result]:
    context = multiprocessing.get_context("spawn")
    told: SimpleQueue[Told] = context.SimpleQueue()
    stop = context.Event()
    with ProcessPoolExecutor(processes, context, initializer=_Crewman.sign_on, initargs=(told, stop)) as pool:
        before = signal.getsignal(signal.SIGINT)
        signal.signal(signal.SIGINT, partial(_ask_to_stop, stop, before))
        try:
            with _interrupts_blocked():
                futures = [pool.submit(_Crewman.run, number, trial) for number, trial in enumerate(trials)]
            _watch(futures, told, shown)
        finally:
            signal.signal(signal.SIGINT, before)
    return [result for future in futures if (result := future.result()) is not None]


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Ctrl-C on a terminal reaches every process. Those that begin in here inherit that it waits for ever."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _ask_to_stop(stop: Event, before: Handler, number: int, frame: object) -> None:  # noqa: ARG001
    """The first Ctrl-C lets every run end with what it has; a second one interrupts as usual."""
    signal.signal(signal.SIGINT, before)
    stop.set()


def _watch(futures: Sequence[Future[Result | None]], told: SimpleQueue[Told], shown: Bars) -> None:
    """Show what the processes tell until all are done."""
    waiting = set(futures)
    while waiting:
        waiting = wait(waiting, LOOK_EVERY_S).not_done
        while not told.empty():
            shown.show(*told.get())


class _Crewman:
    """What a process of the crew knows: where to tell its progress, and whether to stop."""

    told: ClassVar[SimpleQueue[Told]]
    stop: ClassVar[Event]

    @classmethod
    def sign_on(cls, told: SimpleQueue[Told], stop: Event) -> None:
        """The first thing that a process does."""
        cls.told, cls.stop = told, stop

    @classmethod
    def run(cls, number: int, trial: Trial) -> Result | None:
        """One run; None when it was too late to begin."""
        if cls.stop.is_set():
            return None
        return run_trial(trial, partial(cls._tell, number))

    @classmethod
    def _tell(cls, number: int, progress: Progress) -> None:
        parent = multiprocessing.parent_process()
        if cls.stop.is_set() or parent is None or not parent.is_alive():
            raise KeyboardInterrupt
        cls.told.put((number, progress))
