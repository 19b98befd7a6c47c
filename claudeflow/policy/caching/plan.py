"""Plans: what one call does about the cache. Made when its job is chosen, carried along to the request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from claudeflow.policy.caching.economics import Choice
from claudeflow.policy.caching.entry import Entry
from claudeflow.policy.caching.paths import Ttl, key_of, ttl_of_caller

MOST_MARKS = 4


class Turn(Enum):
    """What a job of a prefix may do now."""

    GO = auto()
    LEAD = auto()
    WAIT = auto()


@dataclass(frozen=True, slots=True)
class Mark:
    """A level that the request marks. `writes`: it is cold, so the call writes it."""

    level: str
    ttl: Ttl
    writes: bool

    @property
    def key(self) -> str:
        """The hash of the level."""
        return key_of(self.level)


@dataclass(frozen=True, slots=True)
class Plan:
    """The marks of a call, the outermost first. `awaited` is the hash of the level to wait for, if any."""

    turn: Turn = Turn.GO
    marks: tuple[Mark, ...] = ()
    awaited: str | None = None

    @property
    def expected(self) -> Mark | None:
        """The longest prefix that the call should find in the cache."""
        return next((mark for mark in reversed(self.marks) if not mark.writes), None)

    @property
    def written(self) -> tuple[Mark, ...]:
        """What the call writes."""
        return tuple(mark for mark in self.marks if mark.writes)

    @property
    def dearest_ttl(self) -> Ttl | None:
        """The longest that the call may be billed for keeping anything; None without marks."""
        ttls = {mark.ttl for mark in self.marks}
        return "1h" if "1h" in ttls else "5m" if ttls else None

    @property
    def is_the_callers(self) -> bool:
        """Whether the markers are not ours."""
        return any(ttl_of_caller(mark.level) is not None for mark in self.marks)


NO_PLAN = Plan()


@dataclass(frozen=True, slots=True)
class Sight:
    """A level as a job finds it. `led`: another job is writing it."""

    level: str
    entry: Entry | None
    choice: Choice
    warm: bool
    led: bool


def marks_of(sights: Sequence[Sight]) -> tuple[Mark, ...]:
    """The levels to mark: at most four, none kept for longer than one outside it.

    A level outside one that is marked costs nothing to mark: its tokens are written or read anyway.
    """
    deepest_warm = max((place for place, sight in enumerate(sights) if sight.warm), default=-1)
    found: list[Mark] = []
    inner: Ttl | None = None
    for place in range(len(sights) - 1, -1, -1):
        ttl = _longer(_ttl(sights[place]), inner)
        if ttl is not None:
            found.append(Mark(sights[place].level, ttl, writes=place > deepest_warm))
            inner = ttl
    found.reverse()
    return tuple(found if len(found) <= MOST_MARKS else [found[0], *found[1 - MOST_MARKS :]])


def _ttl(sight: Sight) -> Ttl | None:
    caller = ttl_of_caller(sight.level)
    if caller is not None:
        return caller
    if sight.entry is not None and (sight.warm or sight.led):
        return sight.entry.ttl
    return sight.choice.ttl


def _longer(one: Ttl | None, other: Ttl | None) -> Ttl | None:
    return one if other is None or one == "1h" else other
