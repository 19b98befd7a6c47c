"""The limit on acceleration."""

from __future__ import annotations

from collections import deque

from claudeflow.twin.limits import REQUESTS, Refusal

_RECENT_S = 10
_BEFORE_S = 60


class Ramp:
    """At most `start_rpm`, or `growth` times the requests of the minute before."""

    __slots__ = ("_counts", "_growth", "_start_rpm")

    def __init__(self, start_rpm: int, growth: float) -> None:
        self._start_rpm = start_rpm
        self._growth = growth
        self._counts: deque[list[int]] = deque()

    def refuse(self, since_start_s: float) -> Refusal | None:
        """None when one more request keeps within the ramp."""
        second = int(since_start_s)
        while self._counts and self._counts[0][0] <= second - _RECENT_S - _BEFORE_S:
            self._counts.popleft()
        edge = second - _RECENT_S
        recent = sum(count for at, count in self._counts if at > edge)
        before = sum(count for at, count in self._counts if at <= edge)
        ceiling_rpm = max(self._start_rpm, self._growth * before)
        if (recent + 1) * 60 / _RECENT_S <= max(ceiling_rpm, 60 / _RECENT_S):
            return None
        oldest = next(at for at, count in self._counts if at > edge)
        return Refusal(REQUESTS, int(ceiling_rpm), max(1, oldest - edge), ramp=True)

    def count(self, since_start_s: float) -> None:
        """Note an admitted request."""
        second = int(since_start_s)
        if self._counts and self._counts[-1][0] == second:
            self._counts[-1][1] += 1
        else:
            self._counts.append([second, 1])
