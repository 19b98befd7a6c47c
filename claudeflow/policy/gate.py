"""Gate: one 429 stops the whole pool; one probe opens it again.

`retry-after` is honoured in full, whatever its size, plus positive jitter, so that no two pools
and no two daemons come back at the same instant. Calls already in flight go on; 429s that they
still bring belong to the same episode and can only make the pause longer.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Annotated

from annotated_types import Ge, Gt


@dataclass(frozen=True, slots=True)
class NotBefore:
    """No leave now. `at` is the earliest moment worth asking again; None: when a call comes back."""

    at: float | None
    why: str


@dataclass(frozen=True, slots=True)
class GateSettings:
    """How long a pool pauses after a 429.

    Without `retry-after` the pause is `default_pause_s`, doubled at each 429 in a row up to
    `max_default_pause_s`. Jitter is up to `jitter_share` of the pause, at most `max_jitter_s`.
    """

    default_pause_s: Annotated[float, Gt(0)] = 5.0
    max_default_pause_s: Annotated[float, Gt(0)] = 60.0
    jitter_share: Annotated[float, Ge(0)] = 0.2
    max_jitter_s: Annotated[float, Ge(0)] = 5.0


class _Phase(Enum):
    OPEN = auto()
    CLOSED = auto()
    PROBING = auto()


class Gate:
    """Open, closed until a moment, or open for one probe."""

    def __init__(self, settings: GateSettings) -> None:
        self._settings = settings
        self._phase = _Phase.OPEN
        self._closed_until = float("-inf")
        self._closed_at = float("-inf")
        self._in_a_row = 0

    @property
    def is_open(self) -> bool:
        """True when calls may go freely."""
        return self._phase is _Phase.OPEN

    def closed_for_s(self, now: float) -> float:
        """Seconds until a probe may go; 0 when open or probing."""
        return max(0.0, self._closed_until - now) if self._phase is _Phase.CLOSED else 0.0

    def refusal(self, now: float) -> NotBefore | None:
        """Why no call may go now, if so."""
        if self._phase is _Phase.PROBING:
            return NotBefore(None, "a probe is out after a 429")
        if self._phase is _Phase.CLOSED and now < self._closed_until:
            return NotBefore(self._closed_until, "closed after a 429")
        return None

    def granted(self) -> bool:
        """A call is let through; True when it is the probe."""
        if self._phase is _Phase.CLOSED:
            self._phase = _Phase.PROBING
            return True
        return False

    def throttled(self, retry_after_s: float | None, begun_at: float, now: float, jitter: float) -> bool:
        """A 429 came back; True when it begins a new episode. `jitter` is in [0, 1)."""
        same_episode = begun_at <= self._closed_at
        if not same_episode:
            self._in_a_row += 1
            self._closed_at = now
        pause = retry_after_s if retry_after_s is not None else self._default_pause()
        pause += jitter * min(self._settings.max_jitter_s, self._settings.jitter_share * pause)
        self._closed_until = max(self._closed_until, now + pause)
        self._phase = _Phase.CLOSED
        return not same_episode

    def call_came_back(self, *, probe: bool) -> None:
        """A call ended without a 429. Only the probe opens the gate: older calls prove nothing."""
        if probe and self._phase is _Phase.PROBING:
            self._phase = _Phase.OPEN
            self._in_a_row = 0

    def probe_abandoned(self, *, probe: bool) -> None:
        """The probe never left, or we stopped it: the next call is the probe."""
        if probe and self._phase is _Phase.PROBING:
            self._phase = _Phase.CLOSED

    def _default_pause(self) -> float:
        doubled = self._settings.default_pause_s * 2.0 ** max(0, self._in_a_row - 1)
        return min(self._settings.max_default_pause_s, doubled)
