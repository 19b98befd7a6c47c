"""The door: how many connections are open, whose they are, and what was turned away.

It counts and watches; `protocol.py` acts. One timer looks at all connections, since a timer for each
would cost every request more than all that is watched for.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Protocol

from claudeflow.domain.door_events import DoorRefused
from claudeflow.domain.errors import IntakeError
from claudeflow.domain.events import Emit
from claudeflow.intake.http.door.settings import HttpSettings
from claudeflow.intake.http.errors import TooManyConnections

LOOK_EVERY_S = 1.0
TOLD_EVERY_S = 10.0
"""How often the same refusal of the same user is told; then with the number of times."""


class Watched(Protocol):
    """A connection that is looked at from time to time."""

    def look(self, elapsed_s: float) -> None:
        """So many seconds have passed since the last look."""
        ...


class Door:
    """Counts connections and refusals. Used from one event loop."""

    def __init__(self, settings: HttpSettings | None = None, emit: Emit = lambda _: None) -> None:
        self.settings = settings or HttpSettings()
        self._emit = emit
        self._open: dict[Watched, int] = {}
        self._by_user: Counter[int] = Counter()
        self._untold: Counter[tuple[str, str]] = Counter()
        self._told_s: dict[tuple[str, str], float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._looked_s = 0.0

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._open)

    def enter(self, connection: Watched, uid: int) -> TooManyConnections | None:
        """Let a connection in, or say why not."""
        settings = self.settings
        if self._by_user[uid] >= settings.max_connections_per_user:
            return TooManyConnections(
                f"your user has {settings.max_connections_per_user:,} connections open, as many as one may; "
                "close some, or use one for several requests",
                retry_after_s=1,
            )
        if len(self._open) >= settings.max_connections:
            return TooManyConnections(
                f"{settings.max_connections:,} connections are open, as many as may be; come back later",
                retry_after_s=1,
            )
        self._open[connection] = uid
        self._by_user[uid] += 1
        self._keep_looking()
        return None

    def leave(self, connection: Watched) -> None:
        """A connection is closed. One that was not let in does not count."""
        uid = self._open.pop(connection, None)
        if uid is None:
            return
        self._by_user[uid] -= 1
        if not self._by_user[uid]:
            del self._by_user[uid]

    def refused(self, problem: IntakeError, user: str) -> None:
        """Tell of a refusal: the first at once, more of the same from time to time."""
        kind = (problem.code, user)
        self._untold[kind] += 1
        if kind not in self._told_s:
            self._tell(kind)
        self._keep_looking()

    def _tell(self, kind: tuple[str, str]) -> None:
        code, user = kind
        self._told_s[kind] = asyncio.get_running_loop().time()
        self._emit(DoorRefused(code, user, self._untold.pop(kind)))

    def _keep_looking(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._looked_s = loop.time()
            self._timer = loop.call_later(self._look_every_s(), self._look)

    def _look(self) -> None:
        self._timer = None
        now_s = asyncio.get_running_loop().time()
        elapsed_s, self._looked_s = now_s - self._looked_s, now_s
        for connection in list(self._open):
            connection.look(elapsed_s)
        for kind, told_s in list(self._told_s.items()):
            if now_s - told_s < TOLD_EVERY_S:
                continue
            if kind in self._untold:
                self._tell(kind)
            else:
                del self._told_s[kind]
        if self._open or self._told_s:
            self._keep_looking()

    def _look_every_s(self) -> float:
        settings = self.settings
        shortest_s = min(settings.header_timeout_s, settings.body_timeout_s, settings.answer_timeout_s)
        return min(LOOK_EVERY_S, shortest_s / 4)
