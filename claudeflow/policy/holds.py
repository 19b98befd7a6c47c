"""Holds in force: what may not go out, and when one call may test whether the cause is over."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from claudeflow.domain.hold import EVERYTHING, Hold, HoldCause, Scope, ScopeKind

PROBE_EVERY_MS = 240_000
"""At most three probes in ten minutes."""

SCOPE_OF = {HoldCause.PERMISSION: ScopeKind.MODEL, HoldCause.MODEL_NOT_FOUND: ScopeKind.MODEL}


def scope_of(cause: HoldCause, model: str) -> Scope:
    """What a cause stops: one model, or everything."""
    return Scope(ScopeKind.MODEL, model) if cause in SCOPE_OF else EVERYTHING


class HoldBook:
    """The holds, and the probes that are out. Times are epoch milliseconds."""

    def __init__(self, holds: Iterable[Hold] = (), probe_at_ms: int | None = None) -> None:
        """`probe_at_ms` is when the first probes may go: a restart may well have ended the cause."""
        self._holds = {
            hold.scope: hold if probe_at_ms is None else replace(hold, probe_at_ms=probe_at_ms)
            for hold in holds
        }
        self._probing: dict[Scope, int] = {}

    def in_force(self) -> tuple[Hold, ...]:
        """Every hold, the oldest first."""
        return tuple(sorted(self._holds.values(), key=lambda hold: hold.since_ms))

    def lets_go(self, model: str, now_ms: int) -> bool:
        """Whether a job of this model may go now, be it as a probe."""
        return all(
            hold.probe_at_ms is not None and hold.probe_at_ms <= now_ms and hold.scope not in self._probing
            for hold in self._covering(model)
        )

    def gone(self, model: str, call: int) -> None:
        """A call goes out: under a hold it is the probe."""
        for hold in self._covering(model):
            self._probing[hold.scope] = call

    def put(self, cause: HoldCause, model: str, reason: str, now_ms: int) -> tuple[Hold, bool]:
        """A call showed a cause. Returns the hold and whether it is new."""
        scope = scope_of(cause, model)
        known = self._holds.get(scope)
        self._probing.pop(scope, None)
        fresh = Hold(scope, cause, reason, known.since_ms if known else now_ms, now_ms + PROBE_EVERY_MS)
        self._holds[scope] = fresh
        return fresh, known is None

    def call_came_back(self, call: int, *, well: bool, now_ms: int) -> list[Hold]:
        """A call ended without showing a cause. A probe that went well ends its holds: those are returned."""
        scopes = [scope for scope, probe in self._probing.items() if probe == call]
        ended = []
        for scope in scopes:
            del self._probing[scope]
            if well:
                ended.append(self._holds.pop(scope))
            else:
                self._holds[scope] = replace(self._holds[scope], probe_at_ms=now_ms + PROBE_EVERY_MS)
        return ended

    def call_never_left(self, call: int) -> None:
        """A call that was to go out did not: the next one may be the probe, and at once."""
        self._probing = {scope: probe for scope, probe in self._probing.items() if probe != call}

    def _covering(self, model: str) -> list[Hold]:
        scopes = (EVERYTHING, Scope(ScopeKind.MODEL, model))
        return [self._holds[scope] for scope in scopes if scope in self._holds]
