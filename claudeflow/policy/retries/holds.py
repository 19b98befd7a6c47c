"""Holds in force: what may not go out, and which one call may test whether the cause is over.

A cause is judged by the order in which calls went out, not in which they come back: what went out
before the probe that ended a hold cannot put it again, and while a scope is held only its probe
has a say in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from claudeflow.domain.hold import EVERYTHING, Hold, HoldCause, Scope, ScopeKind
from claudeflow.domain.job import Candidate, JobId
from claudeflow.policy.retries.probing import PROBES, first_probe_ms, next_probe_ms, soon_ms, within_bound_ms

SCOPE_OF = {HoldCause.PERMISSION: ScopeKind.MODEL, HoldCause.MODEL_NOT_FOUND: ScopeKind.MODEL}


def scope_of(cause: HoldCause, model: str) -> Scope:
    """What a cause stops: one model, or everything."""
    return Scope(ScopeKind.MODEL, model) if cause in SCOPE_OF else EVERYTHING


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to holds: some began, some stay with a later probe or another reason, some ended."""

    begun: tuple[Hold, ...] = ()
    kept: tuple[Hold, ...] = ()
    ended: tuple[Hold, ...] = ()


@dataclass(frozen=True, slots=True)
class Stop:
    """A hold that a job may not pass. `until_ms`: look again then; None: when something happens."""

    hold: Hold
    until_ms: int | None


class HoldBook:
    """The holds, the calls that are out, and which of them are probes. Times are epoch milliseconds.

    Tell it of every call that goes out (`gone`) and, once, what came of it.
    """

    def __init__(self, holds: Iterable[Hold] = (), now_ms: int | None = None) -> None:
        """`now_ms`: the process has just started, which may well have ended the causes of `holds`."""
        self._by_hand: dict[Scope, Hold] = {}
        self._automatic: dict[Scope, Hold] = {}
        self._budgets: tuple[Hold, ...] = ()
        self._probing: dict[Scope, JobId] = {}
        self._vain: dict[Scope, int] = {}
        self._sent: dict[JobId, int] = {}
        self._calls = 0
        self._over: dict[Scope, int] = {}
        for hold in holds:
            if hold.by_hand:
                self._by_hand[hold.scope] = hold
            else:
                self._keep(hold, hold.probe_at_ms if now_ms is None else now_ms)

    def in_force(self, now_ms: int) -> tuple[Hold, ...]:
        """Every hold, the oldest first."""
        found = [*self._by_hand.values(), *self._budgets, *self._automatic.values()]
        in_force = [hold for hold in found if not _is_over(hold, now_ms)]
        return tuple(sorted(in_force, key=lambda hold: hold.since_ms))

    def on(self, scope: Scope) -> tuple[Hold, ...]:
        """The holds on exactly this scope: the one set by hand first, then those of budgets, then others."""
        budgets = [hold for hold in self._budgets if hold.scope == scope]
        found = (self._by_hand.get(scope), *budgets, self._automatic.get(scope))
        return tuple(hold for hold in found if hold is not None)

    def keep_of_budgets(self, holds: Iterable[Hold]) -> Change:
        """Exactly these are the holds of budgets from now on.

        One that lasts keeps its beginning; one that is put again for another period is a new one.
        """
        before = {(hold.scope, hold.set_by): hold for hold in self._budgets}
        wanted = {
            (hold.scope, hold.set_by): _lasting(before.get((hold.scope, hold.set_by)), hold) for hold in holds
        }
        self._budgets = tuple(wanted.values())
        return Change(
            begun=tuple(hold for key, hold in wanted.items() if not _lasts(before.get(key), hold)),
            kept=tuple(
                hold for key, hold in wanted.items() if _lasts(before.get(key), hold) and hold != before[key]
            ),
            ended=tuple(hold for key, hold in before.items() if not _lasts(hold, wanted.get(key))),
        )

    def covering(self, candidate: Candidate, pool: str, now_ms: int) -> tuple[Hold, ...]:
        """The holds that a job is under."""
        if not self._by_hand and not self._automatic and not self._budgets:
            return ()
        found = [hold for scope in scopes_of(candidate, pool) for hold in self.on(scope)]
        return tuple(hold for hold in found if not _is_over(hold, now_ms))

    def stops(self, candidate: Candidate, pool: str, now_ms: int) -> Stop | None:
        """The hold that keeps a job from going now, be it as a probe; None when it may go."""
        for hold in self.covering(candidate, pool, now_ms):
            if not hold.is_probed:
                return Stop(hold, hold.until_ms)
            if hold.scope in self._probing:
                return Stop(hold, None)
            if hold.probe_at_ms is None or hold.probe_at_ms > now_ms:
                return Stop(hold, hold.probe_at_ms)
        return None

    def lets_go(self, candidate: Candidate, pool: str, now_ms: int) -> bool:
        """Whether a job may go now, be it as a probe."""
        return self.stops(candidate, pool, now_ms) is None

    def gone(self, candidate: Candidate, pool: str, now_ms: int) -> None:
        """A job's call goes out: under a hold it is the probe."""
        self._calls += 1
        self._sent[candidate.id] = self._calls
        for hold in self.covering(candidate, pool, now_ms):
            if not hold.is_probed:
                continue
            self._probing[hold.scope] = candidate.id
            self._automatic[hold.scope] = replace(hold, probed_ms=(*hold.probed_ms, now_ms)[-PROBES:])

    def probed_by(self, call: JobId) -> tuple[Hold, ...]:
        """The holds that a call is the probe of."""
        return tuple(self._automatic[scope] for scope in self._scopes_probed_by(call))

    def never_left(self, call: JobId) -> None:
        """A call that was to go out did not: the next one may be the probe, and at once."""
        self._sent.pop(call, None)
        for scope in self._scopes_probed_by(call):
            self._unprobed(scope)

    def went_well(self, call: JobId) -> Change:
        """A call showed that nothing is in its way: the holds that it was the probe of are over."""
        number = self._sent.pop(call, 0)
        return Change(ended=tuple(self._end(scope, number) for scope in self._scopes_probed_by(call)))

    def proved_nothing(self, call: JobId, now_ms: int, *, left: bool) -> Change:
        """A call ended without a word on any cause. `left`: it has reached the API, or may have."""
        self._sent.pop(call, None)
        return Change(kept=self._in_vain(self._scopes_probed_by(call), now_ms, left=left))

    def showed(self, call: JobId, cause: HoldCause, model: str, reason: str, now_ms: int) -> Change:
        """A call showed a cause: it sets a hold, unless one is in force or this is old news."""
        number = self._sent.pop(call, 0)
        scope, probed = scope_of(cause, model), self._scopes_probed_by(call)
        kept = self._in_vain([other for other in probed if other != scope], now_ms, left=True)
        if scope in probed:
            is_known = self._automatic[scope].cause is cause
            renewed = (self._renew(scope, cause, reason, now_ms),)
            return Change(kept=(*kept, *renewed)) if is_known else Change(begun=renewed, kept=kept)
        if scope in self._automatic or number < self._over.get(scope, 0):
            return Change(kept=kept)
        fresh = Hold(scope, cause, reason, now_ms, first_probe_ms(cause, now_ms))
        self._automatic[scope] = fresh
        return Change(begun=(fresh,), kept=kept)

    def as_by_hand(self, hold: Hold) -> Hold:
        """A hold that a person wants: where the scope is held by hand already, it keeps its beginning."""
        known = self._by_hand.get(hold.scope)
        return hold if known is None else replace(hold, since_ms=known.since_ms)

    def set_by_hand(self, hold: Hold) -> Hold:
        """A person holds a scope, or changes why or how long."""
        kept = self._by_hand[hold.scope] = self.as_by_hand(hold)
        return kept

    def release(self, hold: Hold) -> None:
        """A hold is over by somebody's word: calls that are out can no longer put it again."""
        if hold.by_hand:
            self._by_hand.pop(hold.scope, None)
        elif hold.scope in self._automatic:
            self._end(hold.scope, self._calls + 1)

    def expired(self, now_ms: int) -> tuple[Hold, ...]:
        """The holds whose time is over: release them."""
        return tuple(hold for hold in self._by_hand.values() if _is_over(hold, now_ms))

    def probe_now(self, cause: HoldCause, now_ms: int) -> tuple[Hold, ...]:
        """Something has changed that may have ended this cause: its probes go at once.

        A probe that is out went out before the change, so it has no say any more.
        """
        scopes = [hold.scope for hold in self._automatic.values() if hold.cause is cause]
        for scope in scopes:
            self._probing.pop(scope, None)
            self._keep(replace(self._automatic[scope], probed_ms=()), now_ms)
        return tuple(self._automatic[scope] for scope in scopes)

    def _scopes_probed_by(self, call: JobId) -> list[Scope]:
        return [scope for scope, probe in self._probing.items() if probe == call]

    def _keep(self, hold: Hold, probe_at_ms: int | None) -> Hold:
        at_ms = None if probe_at_ms is None else within_bound_ms(probe_at_ms, hold.probed_ms)
        kept = self._automatic[hold.scope] = replace(hold, probe_at_ms=at_ms)
        return kept

    def _unprobed(self, scope: Scope) -> Hold:
        """Forget the probe that is out as if it had never been."""
        del self._probing[scope]
        hold = self._automatic[scope]
        return self._keep(replace(hold, probed_ms=hold.probed_ms[:-1]), hold.probe_at_ms)

    def _in_vain(self, scopes: Iterable[Scope], now_ms: int, *, left: bool) -> tuple[Hold, ...]:
        kept = []
        for scope in scopes:
            self._vain[scope] = self._vain.get(scope, 0) + 1
            if left:
                del self._probing[scope]
            else:
                self._unprobed(scope)
            kept.append(self._keep(self._automatic[scope], soon_ms(self._vain[scope], now_ms)))
        return tuple(kept)

    def _renew(self, scope: Scope, cause: HoldCause, reason: str, now_ms: int) -> Hold:
        del self._probing[scope]
        self._vain.pop(scope, None)
        hold = self._automatic[scope]
        since_ms = hold.since_ms if hold.cause is cause else now_ms
        renewed = replace(hold, cause=cause, reason=reason, since_ms=since_ms)
        return self._keep(renewed, next_probe_ms(cause, now_ms))

    def _end(self, scope: Scope, number: int) -> Hold:
        self._probing.pop(scope, None)
        self._vain.pop(scope, None)
        self._over[scope] = number
        return self._automatic.pop(scope)


def scopes_of(candidate: Candidate, pool: str) -> Iterator[Scope]:
    """Every scope that a job belongs to, the widest first."""
    yield EVERYTHING
    yield Scope(ScopeKind.POOL, pool)
    yield Scope(ScopeKind.MODEL, candidate.model)
    yield Scope(ScopeKind.LANE, candidate.lane)
    yield Scope(ScopeKind.WORKFLOW, candidate.workflow)
    yield Scope(ScopeKind.JOB, str(candidate.id))


def _is_over(hold: Hold, now_ms: int) -> bool:
    return hold.until_ms is not None and hold.until_ms <= now_ms


def _lasts(before: Hold | None, now: Hold | None) -> bool:
    """Whether both are the same hold of a budget, in the same period."""
    return before is not None and now is not None and before.until_ms == now.until_ms


def _lasting(before: Hold | None, now: Hold) -> Hold:
    """A budget's hold as it is now, with its beginning."""
    return now if before is None or not _lasts(before, now) else replace(now, since_ms=before.since_ms)
