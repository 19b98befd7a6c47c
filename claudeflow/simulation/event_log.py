"""Event log: each event of a simulated run as one JSON line with its virtual time.

The lines carry names, numbers and codes only: no prompt, no answer, no key, and no time of the
machine that simulates. The same scenario, configuration and seed give the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

import orjson

from claudeflow.domain.events import Event
from claudeflow.observe.journal import fields_of


class EventLog:
    """A listener that writes to `stream`."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._now_s: Callable[[], float] = lambda: 0.0

    def begin(self, now_s: Callable[[], float]) -> None:
        """From now on `now_s` tells the virtual seconds since the scenario's start."""
        self._now_s = now_s

    def apply(self, event: Event) -> None:
        """Write the event: its time with six digits first, then its fields by name."""
        fields = orjson.dumps(fields_of(event), default=str, option=orjson.OPT_SORT_KEYS)
        self._stream.write(b'{"at_s":%.6f,' % self._now_s() + fields[1:] + b"\n")
