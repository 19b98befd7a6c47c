"""Gate: a 429 or an outage stops the whole pool; one probe opens it again.

After a 429 `retry-after` is honoured in full, whatever its size, plus positive jitter, so that no
two pools and no two daemons come back at the same instant. Calls already in flight go on; 429s that
they still bring belong to the same episode and can only make the pause longer.

Several failures in a row without a success in between are an outage: the jobs would only use up
their retry windows. One probe goes at growing intervals until a call comes back.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Annotated

from annotated_types import Ge, Gt


@dataclass(frozen=True, slots=True)
class NotBefore:
    """No leave now. `at` is the earliest moment worth asking again; None: when a call comes back.

    With `smaller_may_pass` it was the size that stood in the way: another job may go at once.
    """

    at: float | None
    why: str
    smaller_may_pass: bool = False


@dataclass(frozen=True, slots=True)
class GateSettings:
    """How long a pool pauses.

    After a 429 without `retry-after` the pause is `default_pause_s`, doubled at each 429 in a row
    up to `max_default_pause_s`; it is at least that long when probes are throttled one after the
    other. Jitter is up to `jitter_share` of the pause, at most `max_jitter_s`. `outage_after`
    failures in a row are an outage: it is probed after `outage_pause_s` at first, and then at random
    intervals that grow up to `max_outage_pause_s`.
    """

    default_pause_s: Annotated[float, Gt(0)] = 5.0
    max_default_pause_s: Annotated[float, Gt(0)] = 60.0
    jitter_share: Annotated[float, Ge(0)] = 0.2
    max_jitter_s: Annotated[float, Ge(0)] = 5.0
    outage_after: Annotated[int, Ge(1)] = 5
    outage_pause_s: Annotated[float, Gt(0)] = 5.0
    max_outage_pause_s: Annotated[float, Gt(0)] = 60.0


SMALL_PROBE_S = 10.0
"""How long after a pause only a small job may be the probe: a giant could be refused for its size."""


class GateKind(StrEnum):
    """Why a gate is closed."""

    RATE = "rate"
    OUTAGE = "outage"


_WHY = {GateKind.RATE: "closed after a 429", GateKind.OUTAGE: "paused in an outage"}


class _Phase(Enum):
    OPEN = auto()
    CLOSED = auto()
    PROBING = auto()


def tells_of_outage(why: str) -> bool:
    """Whether a gate's words say that the pool is paused in an outage."""
    return _WHY[GateKind.OUTAGE] in why


class Gate:
    """Open, closed until a moment, or open for one probe. Times are monotonic seconds."""

    def __init__(self, settings: GateSettings) -> None:
        self._settings = settings
        self._phase = _Phase.OPEN
        self._kind = GateKind.RATE
        self._closed_until = float("-inf")
        self._closed_at = float("-inf")
        self._throttles_in_a_row = 0
        self._failures_in_a_row = 0
        self._outage_pauses = 0

    @property
    def is_open(self) -> bool:
        """True when calls may go freely."""
        return self._phase is _Phase.OPEN

    @property
    def kind(self) -> GateKind | None:
        """Why it is closed; None when it is open."""
        return None if self.is_open else self._kind

    @property
    def why(self) -> str:
        """How it stands, in words."""
        if self.is_open:
            return "open"
        probing = self._phase is _Phase.PROBING
        return f"a probe is out: {_WHY[self._kind]}" if probing else _WHY[self._kind]

    def closed_for_s(self, now: float) -> float:
        """Seconds until a probe may go; 0 when open or probing."""
        return max(0.0, self._closed_until - now) if self._phase is _Phase.CLOSED else 0.0

    def refusal(self, now: float, *, small: bool = True) -> NotBefore | None:
        """Why no call may go now, if so. `small` says whether the call would do as a probe at once."""
        if self._phase is _Phase.OPEN:
            return None
        if self._phase is _Phase.PROBING:
            return NotBefore(None, self.why)
        if now < self._closed_until:
            return NotBefore(self._closed_until, self.why)
        giants_from = self._closed_until + SMALL_PROBE_S
        if not small and now < giants_from:
            return NotBefore(giants_from, "a smaller job goes first as the probe", smaller_may_pass=True)
        return None

    def granted(self) -> bool:
        """A call is let through; True when it is the probe."""
        if self._phase is _Phase.CLOSED:
            self._phase = _Phase.PROBING
            return True
        return False

    def throttled(self, retry_after_s: float | None, begun_at: float, now: float, jitter: float) -> bool:
        """A 429 came back; True when it begins a new episode. `jitter` is in [0, 1)."""
        same_episode = begun_at <= self._closed_at and self.kind is not GateKind.OUTAGE
        if not same_episode:
            self._throttles_in_a_row += 1
        pause = self._pause(retry_after_s)
        pause += jitter * min(self._settings.max_jitter_s, self._settings.jitter_share * pause)
        self._close(GateKind.RATE, now + pause, now if not same_episode else self._closed_at)
        return not same_episode

    def failed(self, begun_at: float, now: float, jitter: float, *, probe: bool) -> bool:
        """A call came back without an answer; True when that is the beginning of an outage."""
        self._failures_in_a_row += 1
        is_probe = probe and self._phase is _Phase.PROBING
        is_enough = self._failures_in_a_row >= self._settings.outage_after and begun_at > self._closed_at
        if not is_probe and not (self.is_open and is_enough):
            return False
        is_new = self.kind is not GateKind.OUTAGE
        self._outage_pauses = 0 if is_new else self._outage_pauses + 1
        self._close(GateKind.OUTAGE, now + self._outage_pause(jitter), now)
        return is_new

    def call_came_back(self, *, probe: bool) -> None:
        """A call was answered: that ends an outage. After a 429 only the probe's answer proves anything."""
        self._failures_in_a_row = 0
        if self._kind is GateKind.OUTAGE or (probe and self._phase is _Phase.PROBING):
            self._phase = _Phase.OPEN
            self._kind = GateKind.RATE
            self._throttles_in_a_row = 0

    def probe_abandoned(self, *, probe: bool) -> None:
        """The probe never left, or we stopped it: the next call is the probe."""
        if probe and self._phase is _Phase.PROBING:
            self._phase = _Phase.CLOSED

    def stay_closed(self, for_s: float, now: float) -> None:
        """An earlier process was told to wait: what is left of that holds for us."""
        if for_s > 0.0:
            self._close(GateKind.RATE, now + for_s, now)

    def _close(self, kind: GateKind, until: float, since: float) -> None:
        self._phase = _Phase.CLOSED
        self._kind = kind
        self._closed_until = max(self._closed_until, until)
        self._closed_at = since

    def _pause(self, retry_after_s: float | None) -> float:
        """What is asked for; where nothing is, or a probe has shown that it was too little, ever longer."""
        in_a_row = self._throttles_in_a_row if retry_after_s is None else self._throttles_in_a_row - 1
        if in_a_row <= 0:
            return retry_after_s or 0.0
        doubled = self._settings.default_pause_s * 2.0 ** min(30, in_a_row - 1)
        return max(retry_after_s or 0.0, min(self._settings.max_default_pause_s, doubled))

    def _outage_pause(self, jitter: float) -> float:
        """Full jitter between the first pause and a bound that doubles."""
        least = self._settings.outage_pause_s
        bound = min(self._settings.max_outage_pause_s, least * 2.0 ** min(30, self._outage_pauses + 1))
        return least + jitter * max(0.0, bound - least)
