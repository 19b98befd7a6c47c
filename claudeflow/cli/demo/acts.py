"""Acts: the demo from start to end, on the twin or on the real API."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from claudeflow.cli.demo import show
from claudeflow.cli.demo.live import DEFAULT_JOBS, confirm, live_jobs, nanousd, real_api
from claudeflow.cli.demo.morning import Arrival, morning
from claudeflow.cli.demo.play import Cue, Feed, Played, play
from claudeflow.cli.demo.processes import Child, child, wait_for
from claudeflow.cli.demo.stage import Stage, config_text
from claudeflow.cli.demo.summary import Books, Summary, Verdict, summarize
from claudeflow.cli.demo.twin import ANNOUNCEMENT, RIVAL_AT_S, SIZED_FOR_JOBS, TwinDesk, twin_arguments
from claudeflow.cli.offline import OfflineDoor, checked
from claudeflow.cli.output import is_terminal
from claudeflow.cli.places import Places
from claudeflow.cli.record import reason
from claudeflow.cli.remote import SocketDoor
from claudeflow.domain.errors import DaemonUnreachable
from claudeflow.simulation.examples import find_examples

PLAY_ENDS_AFTER_S = 53.0
"""Leaves time to stop and report within the minute."""

START_PATIENCE_S = 30.0
TWIN_KEY = "no-key-is-needed"


@dataclass(frozen=True, slots=True)
class Wish:
    """What the person asked for on the command line."""

    jobs: int | None
    seed: int
    as_json: bool
    max_cost: float
    yes: bool


@dataclass(frozen=True, slots=True)
class LivePlan:
    """What will be sent where. `key` must reach no file and no log."""

    base_url: str
    key: str = field(repr=False)
    examples: Path
    arrivals: Sequence[Arrival]


@dataclass(frozen=True, slots=True)
class Programme:
    """What is played: the jobs, how many of them each lane gets, and what else happens when."""

    arrivals: Sequence[Arrival]
    totals: Mapping[str, int]
    cues: Sequence[Cue] = ()


def twin_act(wish: Wish, place: Stage, began: float) -> Summary:
    """A morning on the twin, over within a minute of `began` (monotonic). Raises Failure."""
    examples = find_examples()
    arrivals = morning(examples, wish.jobs or SIZED_FOR_JOBS, wish.seed)
    totals = _totals(examples, arrivals)
    with _twin(place, len(arrivals), wish.seed) as twin:
        place.config.write_text(config_text(place, twin.base_url, examples / "prompts", retries=True))
        programme = Programme(arrivals, totals, [Cue(RIVAL_AT_S, twin.let_a_rival_in)])
        played = _perform(programme, place, TWIN_KEY, began + PLAY_ENDS_AFTER_S, wish.as_json)
        verdict = Verdict(twin.invoice_nanousd(), twin.early_calls())
    return summarize(played, totals, _books(place), verdict)


def plan_live(wish: Wish) -> LivePlan:
    """What to send to the real API, after the person has agreed. Raises Failure."""
    base_url, key = real_api()
    examples = find_examples()
    wanted = wish.jobs or DEFAULT_JOBS
    found = live_jobs(examples, wanted, wish.seed, nanousd(wish.max_cost))
    if not wish.yes:
        confirm(found, wanted, base_url)
    return LivePlan(base_url, key, examples, found.arrivals)


def real_act(plan: LivePlan, place: Stage, *, as_json: bool) -> Summary:
    """A few jobs on the real API. Raises Failure."""
    text = config_text(place, plan.base_url, plan.examples / "prompts", retries=False)
    place.config.write_text(text)
    programme = Programme(plan.arrivals, _totals(plan.examples, plan.arrivals))
    played = _perform(programme, place, plan.key, time.monotonic() + PLAY_ENDS_AFTER_S, as_json)
    return summarize(played, programme.totals, _books(place), None)


@contextmanager
def _twin(place: Stage, jobs: int, seed: int) -> Iterator[TwinDesk]:
    log = place.log_of("twin")
    with child(twin_arguments(jobs, seed), log, {}) as process:

        def address() -> str | None:
            found = [line for line in process.tail() if line.startswith(ANNOUNCEMENT)]
            return found[0].removeprefix(ANNOUNCEMENT) if found else None

        until = time.monotonic() + START_PATIENCE_S
        yield TwinDesk(wait_for(process, address, "the twin did not start", until))


@contextmanager
def _daemon(place: Stage, key: str) -> Iterator[Child]:
    arguments = ["run", "--config", str(place.config)]
    with child(arguments, place.log_of("daemon"), {"ANTHROPIC_API_KEY": key}) as process:
        door = SocketDoor(place.socket)

        def ready() -> bool | None:
            try:
                return door.call("GET", "/-/ready").ok or None
            except DaemonUnreachable:
                return None

        wait_for(process, ready, "the daemon did not start", time.monotonic() + START_PATIENCE_S)
        yield process


def _perform(programme: Programme, place: Stage, key: str, until: float, as_json: bool) -> Played:
    """Play with a daemon of our own, which has ended afterwards."""
    totals, door = programme.totals, SocketDoor(place.socket)
    with _daemon(place, key) as daemon:
        try:
            view = show.table(totals) if is_terminal() and not as_json else show.lines(totals, stderr=as_json)
            with view as screen:
                return play(door, Feed(door, programme.arrivals), programme.cues, screen, until)
        except DaemonUnreachable:
            daemon.check()
            raise


def _books(place: Stage) -> Books:
    """What the store says, read from the disk now that no daemon runs."""
    door = OfflineDoor(Places(config_option=place.config))
    status = checked(door.call("GET", "/v1/status")).json()
    failed = checked(door.call("GET", "/v1/jobs", query={"state": "failed", "limit": "1"})).json()["jobs"]
    return Books(status["spend"], reason(failed[0]) if failed else None)


def _totals(examples: Path, arrivals: Sequence[Arrival]) -> dict[str, int]:
    """How many jobs each lane will get; lanes in the order of their weight."""
    from claudeflow.config import Config
    from claudeflow.prompts import load_prompts

    prompts = load_prompts(examples / "prompts")
    counts = Counter(prompts[arrival.job["prompt"]].lane for arrival in arrivals)
    return {lane: counts[lane] for lane in Config().lanes if counts[lane]}
