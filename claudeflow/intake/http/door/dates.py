"""The date that every answer carries (RFC 9110, 6.6.1), written once a second while there are answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

Header = tuple[bytes, bytes]


class Dates:
    """Tells the date of an answer. `now_s` is the host's time in seconds since 1970."""

    def __init__(self, now_s: Callable[[], float] = time.time) -> None:
        self._now_s = now_s
        self._second = -1
        self._text = b""

    def text(self) -> bytes:
        """Now, as HTTP writes it."""
        second = int(self._now_s())
        if second != self._second:
            self._second, self._text = second, formatdate(second, usegmt=True).encode("ascii")
        return self._text


DATES = Dates()


class DatedHeaders(list[Header]):
    """What uvicorn puts before the headers of each answer, at the moment when the answer begins.

    uvicorn keeps a plain list, and a date in it that its own main loop renews ten times a second: here it
    has no such loop, and an idle daemon is to sleep.
    """

    def __add__(self, own: Any) -> list[Header]:  # type: ignore[override]
        return [(b"date", DATES.text()), *own]
