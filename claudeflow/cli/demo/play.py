"""Play: submits a morning's jobs as their time comes, and looks at the daemon until all are finished."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from claudeflow.cli.demo.morning import Arrival
from claudeflow.cli.job_text import dump
from claudeflow.cli.offline import checked
from claudeflow.cli.remote import Door

TICK_S = 0.05
LOOK_EVERY_S = 0.25

Show = Callable[[Mapping[str, Any], float], None]
"""Is given the daemon's status, and the seconds since the morning began."""


class Feed:
    """A morning's jobs on their way to the daemon."""

    def __init__(self, door: Door, arrivals: Sequence[Arrival]) -> None:
        """`arrivals` are in the order of their time."""
        self._door = door
        self._arrivals = arrivals
        self.submitted = 0

    @property
    def is_done(self) -> bool:
        """Whether every job has been submitted."""
        return self.submitted == len(self._arrivals)

    def submit_due(self, at_s: float) -> None:
        """Submit what has arrived `at_s` seconds after the morning began. Raises Failure."""
        waiting = self._arrivals[self.submitted :]
        due = [arrival.job for arrival in waiting if arrival.at_s <= at_s]
        if due:
            lines = b"".join(dump(job) + b"\n" for job in due)
            checked(self._door.call("POST", "/v1/jobs", body=lines, content_type="application/x-ndjson"))
            self.submitted += len(due)


@dataclass(frozen=True, slots=True)
class Played:
    """How a morning ended: the daemon's last status, and how long it took."""

    status: Mapping[str, Any]
    elapsed_s: float


@dataclass(slots=True)
class Cue:
    """Something that happens once, `at_s` seconds after the morning began."""

    at_s: float
    act: Callable[[], None]
    is_over: bool = False

    def act_when_due(self, at_s: float) -> None:
        """Act, if it is time and has not been done yet."""
        if not self.is_over and at_s >= self.at_s:
            self.is_over = True
            self.act()


def play(door: Door, feed: Feed, cues: Sequence[Cue], show: Show, until: float) -> Played:
    """Play a morning until everything is finished, something needs a person, or `until` (monotonic).

    Raises Failure and DaemonUnreachable.
    """
    began = time.monotonic()
    look_at_s = 0.0
    while True:
        at_s = time.monotonic() - began
        feed.submit_due(at_s)
        for cue in cues:
            cue.act_when_due(at_s)
        if at_s >= look_at_s:
            status = checked(door.call("GET", "/v1/status")).json()
            at_s = time.monotonic() - began
            show(status, at_s)
            if status["holds"] or (feed.is_done and not unfinished(status)) or began + at_s >= until:
                return Played(status, at_s)
            look_at_s = at_s + LOOK_EVERY_S
        time.sleep(TICK_S)


def unfinished(status: Mapping[str, Any]) -> int:
    """How many jobs of the daemon wait or run."""
    return sum(lane["queued"] + lane["running"] for lane in status["lanes"])
