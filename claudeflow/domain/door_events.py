"""What happens at the front doors: who comes in, and who is turned away."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DoorOpened:
    """Producers may connect: `wanted` at once were configured, `open_files` have room for `connections`."""

    connections: int
    wanted: int
    open_files: int


@dataclass(frozen=True, slots=True)
class DoorRefused:
    """A user's connections or requests were turned away unread, so many `times` since this was told last."""

    code: str
    user: str
    times: int


@dataclass(frozen=True, slots=True)
class CallerRefused:
    """A caller was turned away: not known, not allowed, or beyond a cap. `code` is what it was answered.

    `caller` is null where nobody knows, and `*` for many at once; `via` is `socket`, `tcp` or `mailbox`;
    `route` is method and path, or the mailbox. A few are told a minute for one caller and code: the last
    of `times`.
    """

    caller: str | None
    via: str
    pid: int | None
    route: str
    code: str
    times: int = 1


DoorEvent = DoorOpened | DoorRefused | CallerRefused
