"""The event desk: where the front doors read along with what happens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from claudeflow.domain.event_kinds import Happened


class EventGap(Protocol):
    """Events that a reader will never see."""

    @property
    def reason(self) -> str:
        """`too_old` or `other_daemon`."""
        ...

    @property
    def missed(self) -> int | None:
        """How many, where that is known."""
        ...


class Reading(Protocol):
    """A place in the stream of events. Close it in the end."""

    @property
    def taken(self) -> int:
        """The number of the last event that was taken."""
        ...

    @property
    def gap(self) -> EventGap | None:
        """What was missed before the first event."""
        ...

    @property
    def is_over(self) -> bool:
        """Whether nothing comes any more."""
        ...

    def on_cut_off(self, act: Callable[[], None]) -> None:
        """Do this when the reader was too slow."""
        ...

    def take(self, most: int) -> Sequence[Happened]:
        """At most so many events that have not been taken yet, the oldest first."""
        ...

    async def news(self, timeout_s: float) -> bool:
        """Whether there is something to take, after at most so many seconds."""
        ...

    def close(self) -> None:
        """Read no more."""
        ...


class EventDesk(Protocol):
    """What happens, as it happens."""

    @property
    def instance(self) -> str:
        """The daemon's random id: events are numbered anew by each daemon."""
        ...

    def read(self, after: tuple[str, int] | None) -> Reading:
        """Read what comes after an event of a daemon, or from now on."""
        ...
