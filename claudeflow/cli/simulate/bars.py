"""Bars: how far each run is, on stderr; on a terminal as bars, elsewhere not at all."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from claudeflow.cli.output import console, span
from claudeflow.simulation.trial import Progress as Told


class Bars:
    """A bar for each run."""

    def __init__(self, progress: Progress, labels: Sequence[str]) -> None:
        self._progress = progress
        self._began = time.monotonic()
        self._tasks: list[TaskID] = [
            progress.add_task(label, total=1.0, moment="", jobs="", speed="") for label in labels
        ]
        self._begun_at: dict[int, float] = {}

    def show(self, number: int, told: Told) -> None:
        """A run has come so far."""
        began = self._begun_at.setdefault(number, time.monotonic())
        elapsed_s = time.monotonic() - began
        self._progress.update(
            self._tasks[number],
            completed=min(told.at_s / told.duration_s, 1.0) if told.duration_s else 1.0,
            moment=f"{span(told.at_s)} of {span(told.duration_s)}",
            jobs=f"{told.jobs_ended:,} jobs",
            speed=f"{told.at_s / elapsed_s:,.0f}x" if elapsed_s >= 1.0 else "",
        )


@contextmanager
def bars(labels: Sequence[str]) -> Iterator[Bars]:
    """Bars while the block lasts."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[moment]}"),
        TextColumn("{task.fields[jobs]}", style="green"),
        TextColumn("{task.fields[speed]}", style="cyan"),
        TimeRemainingColumn(compact=True),
    )
    progress = Progress(
        *columns, console=console(stderr=True), transient=True, disable=not sys.stderr.isatty()
    )
    with progress:
        yield Bars(progress, labels)
