"""Whose turn it is to be looked at: those with recent changes each time, the others some at a time."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

WARM_FOR_S = 10.0
COLD_PER_LOOK = 64
"""So many quiet mailboxes are looked at in one look: a look costs the same however many there are."""
IDENTITY_EVERY = 20
"""Every so many looks at a mailbox, whether its file is still the same."""


@dataclass(slots=True)
class _Watched:
    version: int
    warm_until: float
    looks: int = 0


class Rounds:
    """Versions of the open mailboxes, and the order in which they are asked for them."""

    def __init__(self) -> None:
        self._watched: dict[str, _Watched] = {}
        self._cold: deque[str] = deque()
        self._warm: set[str] = set()

    def add(self, name: str, version: int, now: float) -> None:
        """A mailbox was opened, and has this version."""
        self._watched[name] = _Watched(version, now)
        self._cold.append(name)

    def remove(self, name: str) -> None:
        """A mailbox was closed."""
        del self._watched[name]
        self._warm.discard(name)
        if name in self._cold:
            self._cold.remove(name)

    def next(self, now: float) -> list[str]:
        """Who is looked at now."""
        for name in [name for name in self._warm if self._watched[name].warm_until <= now]:
            self._warm.remove(name)
            self._cold.append(name)
        count = min(COLD_PER_LOOK, len(self._cold))
        chosen = [self._cold[number] for number in range(count)]
        self._cold.rotate(-count)
        return [*self._warm, *chosen]

    def touch(self, name: str, now: float) -> None:
        """Something happened in a mailbox: it is looked at each time for a while."""
        if name not in self._warm:
            self._cold.remove(name)
            self._warm.add(name)
        self._watched[name].warm_until = now + WARM_FOR_S

    def has_changed(self, name: str, version: int, now: float) -> bool:
        """Whether this version is a new one."""
        watched = self._watched[name]
        if version == watched.version:
            return False
        watched.version = version
        self.touch(name, now)
        return True

    def is_time_for_identity(self, name: str) -> bool:
        """Whether to look at the file itself as well, this time."""
        watched = self._watched[name]
        watched.looks += 1
        return watched.looks % IDENTITY_EVERY == 0
