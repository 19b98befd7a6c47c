"""Episodes: what went on for a while during a run, folded from events that begin and end it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from claudeflow.domain.events import Event, HoldReleased, HoldSet, OwnTrouble, PoolGated, PoolOpened
from claudeflow.simulation.result import Episode, EpisodeKind

MOST_TROUBLES = 50
"""Different troubles that are kept; each is told once, with how often it came."""


@dataclass(slots=True)
class _Trouble:
    first_s: float
    last_s: float
    times: int


class EpisodeBook:
    """A listener that is told the time of each event."""

    def __init__(self, scripted: tuple[Episode, ...] = ()) -> None:
        """`scripted` are the scenario's own faults and changes."""
        self._over = list(scripted)
        self._open: dict[tuple[EpisodeKind, str], Episode] = {}
        self._troubles: dict[str, _Trouble] = {}

    def apply(self, event: Event, at_s: float) -> None:
        """Begin or end what the event begins or ends."""
        at_s = round(at_s, 3)
        match event:
            case PoolGated(pool=pool, retry_after_s=retry_after_s):
                said = "" if retry_after_s is None else f", retry-after {retry_after_s:g} s"
                self._begin(pool, Episode(EpisodeKind.GATE, pool, f"{pool}: 429{said}", at_s, None))
            case PoolOpened(pool=pool):
                self._end(EpisodeKind.GATE, pool, at_s)
            case HoldSet(hold=hold):
                what = f"{hold.scope} held: {hold.cause}"
                episode = Episode(EpisodeKind.HOLD, str(hold.scope), what, at_s, None)
                self._begin(f"{hold.scope} {hold.cause}", episode)
            case HoldReleased(scope=scope, cause=cause):
                self._end(EpisodeKind.HOLD, f"{scope} {cause}", at_s)
            case OwnTrouble(where=where, problem=problem):
                self._trouble(f"{where}: {problem}", at_s)
            case _:
                pass

    def all(self) -> tuple[Episode, ...]:
        """Everything so far, by its beginning."""
        found = [*self._over, *self._open.values(), *self._told_troubles()]
        return tuple(sorted(found, key=lambda one: (one.from_s, one.kind, one.of, one.what)))

    def gates(self, pool: str) -> list[Episode]:
        """The times when a pool's gate was closed."""
        return [one for one in self.all() if one.kind is EpisodeKind.GATE and one.of == pool]

    def _begin(self, name: str, episode: Episode) -> None:
        """Begin an episode, unless one of this name is under way already."""
        self._open.setdefault((episode.kind, name), episode)

    def _end(self, kind: EpisodeKind, name: str, at_s: float) -> None:
        begun = self._open.pop((kind, name), None)
        if begun is not None:
            self._over.append(replace(begun, until_s=at_s))

    def _trouble(self, what: str, at_s: float) -> None:
        known = self._troubles.get(what)
        if known is not None:
            known.last_s, known.times = at_s, known.times + 1
        elif len(self._troubles) < MOST_TROUBLES:
            self._troubles[what] = _Trouble(at_s, at_s, 1)

    def _told_troubles(self) -> Iterator[Episode]:
        for what, trouble in self._troubles.items():
            often = f" ({trouble.times} times)" if trouble.times > 1 else ""
            yield Episode(EpisodeKind.TROUBLE, "", f"{what}{often}", trouble.first_s, trouble.last_s)
