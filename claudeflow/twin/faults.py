"""What may go wrong with a call, and which calls it befalls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, inf

from claudeflow.twin.chance import Chance

ANSWERS = frozenset({
    "rate_429", "ramp_429", "spend_cap", "overloaded_529", "error_500", "error_502_html", "conn_reset",
    "silent", "credit_empty", "usage_limit_400", "billing_402", "auth_401", "org_on_hold",
})  # fmt: skip
OUTAGE = "outage"
BODIES = frozenset({"reset_mid_stream", "stall", "truncate", "stream_error", "refusal"})
MODIFIERS = frozenset({"retry_after_on_200", "slow_body", "headers_lost", "clock_skew", "latency_factor"})
PACKS = frozenset({
    "pack_drop", "pack_duplicate", "pack_crosslabel", "pack_unknown", "pack_invalid", "pack_seal",
    "pack_reorder", "pack_truncate", "pack_prose", "wrong_answer",
})  # fmt: skip
BATCHES = frozenset({
    "batch_create_lost", "batch_create_unheard", "batch_late", "batch_expire", "batch_item_error",
    "batch_partial",
})  # fmt: skip
KINDS = ANSWERS | BODIES | MODIFIERS | PACKS | BATCHES | {OUTAGE}
TAKES_TIME = frozenset({"silent", "stall", "slow_body"})
ON_MESSAGES = "messages"


@dataclass(frozen=True, slots=True)
class Fault:
    """One episode. Which of the lower fields count depends on `kind`; `on` is what it is aimed at."""

    kind: str
    from_s: float = 0.0
    until_s: float = inf
    calls: tuple[int, float] = (1, inf)
    share: float = 1.0
    model: str | None = None
    retry_after_s: int | None = None
    countdown: bool = False
    families: str = "none"
    for_s: float = 3_600.0
    after_share: float = 0.5
    error_type: str = "overloaded_error"
    category: str = "cyber"
    gap_s: float = 1.0
    offset_s: float = 0.0
    factor: float = 1.0
    item_share: float = 1.0
    on: str = ON_MESSAGES
    orderly: bool = False

    def covers(self, call: int, elapsed_s: float, models: Sequence[str]) -> bool:
        """Whether a message call lies within the bounds, before chance is asked."""
        if self.on != ON_MESSAGES or (self.model is not None and self.model not in models):
            return False
        return self.runs(elapsed_s) and self.calls[0] <= call <= self.calls[1]

    def runs(self, elapsed_s: float) -> bool:
        """Whether a moment lies within the bounds of time."""
        return self.from_s <= elapsed_s < self.until_s

    def told(self, elapsed_s: float) -> Fault:
        """The fault as it answers at a moment: a countdown tells the seconds to its end."""
        if not self.countdown:
            return self
        return replace(self, retry_after_s=max(1, ceil(self.until_s - elapsed_s)))


@dataclass(frozen=True, slots=True)
class PackFault:
    """A fault that befalls one call if it is packed. `place` is the fault's own in the script, from 0."""

    fault: Fault
    seed: int
    place: int
    call: int

    def chance(self, about: str = "") -> Chance:
        """The chance that belongs to this fault of this call, or to one item in it."""
        return Chance(self.seed, b"pack %d %d %s" % (self.place, self.call, about.encode()))

    def hits(self, item_id: str) -> bool:
        """Whether an item is among those that it befalls."""
        return self.chance(f"hits {item_id}").share() < self.fault.item_share


@dataclass(frozen=True, slots=True)
class Mishap:
    """What happens to one call: at most one answer or body fault, any modifiers, any faults of packs.

    `families` are the rate-limit headers that are left; None leaves them all.
    """

    answer: Fault | None = None
    body: Fault | None = None
    families: str | None = None
    skew_s: float = 0.0
    latency_factor: float = 1.0
    gap_s: float = 0.0
    stray_retry_after_s: int | None = None
    packs: tuple[PackFault, ...] = ()


NO_MISHAP = Mishap()


def mishap(faults: Sequence[Fault], seed: int, call: int, elapsed_s: float, models: Sequence[str]) -> Mishap:
    """Pick the faults for one call; of several answers the first in the script wins."""
    if not faults:
        return NO_MISHAP
    struck = [
        (index, fault)
        for index, fault in enumerate(faults)
        if fault.covers(call, elapsed_s, models)
        and (fault.share >= 1.0 or Chance(seed, b"fault %d %d" % (index, call)).share() < fault.share)
    ]
    if not struck:
        return NO_MISHAP
    hit = [fault for _, fault in struck]
    factor = 1.0
    for fault in hit:
        factor *= fault.factor if fault.kind == "latency_factor" else 1.0
    return Mishap(
        answer=next((fault.told(elapsed_s) for fault in hit if fault.kind in ANSWERS), None),
        body=next((fault for fault in hit if fault.kind in BODIES), None),
        families=next((fault.families for fault in hit if fault.kind == "headers_lost"), None),
        skew_s=sum(fault.offset_s for fault in hit if fault.kind == "clock_skew"),
        latency_factor=factor,
        stray_retry_after_s=next(
            (fault.retry_after_s or 1 for fault in hit if fault.kind == "retry_after_on_200"), None
        ),
        gap_s=max((fault.gap_s for fault in hit if fault.kind == "slow_body"), default=0.0),
        packs=tuple(PackFault(fault, seed, index, call) for index, fault in struck if fault.kind in PACKS),
    )


class FaultScript:
    """The faults in force. Their time counts from `since`, or else from the first call."""

    def __init__(self, faults: tuple[Fault, ...], seed: int, since: float | None = None) -> None:
        self._faults = faults
        self._seed = seed
        self._since = since
        self._calls = 0

    def open(self, now: float) -> None:
        """Count the script's time from now, unless it has begun."""
        if self._since is None:
            self._since = now

    def outage(self, now: float) -> bool:
        """Whether no connection comes about now."""
        if not self._faults:
            return False
        self.open(now)
        assert self._since is not None
        elapsed_s = now - self._since
        return any(fault.kind == OUTAGE and fault.runs(elapsed_s) for fault in self._faults)

    def fate(self, models: Sequence[str], now: float) -> Mishap:
        """What befalls the next call, which is for a model of these names."""
        self._calls += 1
        self.open(now)
        assert self._since is not None
        return mishap(self._faults, self._seed, self._calls, now - self._since, models)
