"""The scenes: what arrives when, what the API allows, and what goes wrong."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from benchmarks.peers.programs.stage import BULK, INTERACTIVE, Job, Plan
from benchmarks.size import Size
from claudeflow.twin.settings import TwinSettings

RPM = 600
ITPM = 2_000_000
OTPM = 400_000
WORKERS = 40
TTFT_S = 0.5
TOKENS_PER_S = 150.0
ANSWER_S = 1.75
FLIGHT_S = 0.2
BULK_PER_INTERACTIVE = 10
SETTLING = 0.4
"""The share of a flood in which programs find their pace."""


@dataclass(frozen=True, slots=True)
class Event:
    """From `from_s` to `until_s` every call gets 429 with this `retry-after`."""

    from_s: int
    until_s: int
    retry_after_s: int

    def script(self) -> dict[str, object]:
        """The fault script of a twin."""
        return {"fault": [{"kind": "rate_429", **asdict(self)}]}


@dataclass(frozen=True, slots=True)
class Scene:
    """Jobs and weather.

    `measured_s`: for so long more work waits than the API grants; up to `settled_s` of it, programs find
    out how things stand. Both 0 where there is less to do.
    """

    name: str
    title: str
    jobs: tuple[Job, ...]
    arrivals_s: float
    give_up_s: float
    drained: bool = False
    settled_s: float = 0.0
    measured_s: float = 0.0
    event: Event | None = None

    def plan(self, url: str) -> Plan:
        """What a program is told; limits included, whether it makes use of them or not."""
        return Plan(url, RPM, ITPM, OTPM, WORKERS, ANSWER_S, self.give_up_s, list(self.jobs))


def twin_settings(seed: int) -> TwinSettings:
    """The API: requests are the limit that is reached first, answers take 0.8 to 4 s."""
    return TwinSettings(
        rpm=RPM,
        itpm=ITPM,
        otpm=OTPM,
        flight_s=FLIGHT_S,
        ttft_s=TTFT_S,
        tokens_per_s=TOKENS_PER_S,
        seed=seed,
    )


def scenes(size: Size) -> tuple[Scene, Scene]:
    """Both scenes."""
    flood_s = size.of(tiny=2, quick=60, full=150)
    event = size.of(tiny=Event(1, 2, 1), quick=Event(20, 50, 10), full=Event(40, 100, 20))
    return flood(flood_s, drained=size.name != "tiny"), episode(size.of(tiny=3, quick=80, full=160), event)


def lesson() -> Scene:
    """What a program sees that keeps what it learned, before anything is measured."""
    return flood(60, "lesson", drained=False)


def flood(seconds: int, name: str = "flood", *, drained: bool = True) -> Scene:
    """A backlog of `seconds` at the full rate, and one interactive job a second beside it."""
    bulk = [Job(0, BULK, 0.0)] * (seconds * BULK_PER_INTERACTIVE)
    interactive = [Job(0, INTERACTIVE, float(second)) for second in range(seconds)]
    title = (
        f"{len(bulk)} bulk jobs at once, {len(interactive)} interactive ones in {seconds} s; "
        f"{RPM} requests a minute{', all of the last minute used up' if drained else ''}"
    )
    jobs = _numbered(bulk + interactive)
    return Scene(
        name,
        title,
        jobs,
        seconds,
        seconds * 3.0 + 10.0,
        drained=drained,
        settled_s=SETTLING * seconds,
        measured_s=seconds,
    )


def episode(seconds: int, event: Event) -> Scene:
    """Jobs arrive at 70 % of the limit; during the event every call gets 429."""
    per_s = 0.7 * RPM / 60
    moments = [number / per_s for number in range(int(seconds * per_s))]
    jobs = [
        Job(0, INTERACTIVE if number % (BULK_PER_INTERACTIVE + 1) == 0 else BULK, at_s)
        for number, at_s in enumerate(moments)
    ]
    title = (
        f"{len(jobs)} jobs in {seconds} s, which is 70 % of the limit; from {event.from_s} s to "
        f"{event.until_s} s every call gets 429 with `retry-after: {event.retry_after_s}`"
    )
    return Scene("event", title, _numbered(jobs), seconds, seconds * 2.5 + 10.0, event=event)


def _numbered(jobs: list[Job]) -> tuple[Job, ...]:
    in_order = sorted(jobs, key=lambda job: (job.at_s, job.lane))
    return tuple(job._replace(number=number) for number, job in enumerate(in_order))
