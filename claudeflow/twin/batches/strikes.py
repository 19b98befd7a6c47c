"""Which faults of a script befall a call about batches, and the batch that it creates."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from claudeflow.twin.chance import Chance
from claudeflow.twin.faults import ANSWERS, BATCHES, Fault, Mishap

_ALL = "batches"
_AT_CREATION = f"{_ALL}.create"
_AT_RESULTS = f"{_ALL}.results"
_OF_ITEMS = frozenset({"batch_expire", "batch_item_error"})


@dataclass(frozen=True, slots=True)
class Strike:
    """The faults that hit one call, each with its place in the script."""

    faults: tuple[tuple[int, Fault], ...] = ()

    def first(self, *kinds: str) -> Fault | None:
        """The first fault of these kinds."""
        return next((fault for _, fault in self.faults if fault.kind in kinds), None)

    @property
    def answer(self) -> Fault | None:
        """What the call gets instead of an answer; of several the first in the script wins."""
        return self.first(*ANSWERS)

    @property
    def mishap(self) -> Mishap:
        """What becomes of the headers."""
        lost, skew = self.first("headers_lost"), self.first("clock_skew")
        return Mishap(families=lost.families if lost else None, skew_s=skew.offset_s if skew else 0.0)

    def of_item(self, seed: int, batch_id: str, index: int) -> Fault | None:
        """What happens to one request of the batch instead of its being answered."""
        for place, fault in self.faults:
            if fault.kind in _OF_ITEMS:
                chance = Chance(seed, b"batch item %d %s %d" % (place, batch_id.encode(), index))
                if chance.share() < fault.item_share:
                    return fault
        return None


class BatchScript:
    """The faults about batches that are in force. Their time counts from `since`, or else from `open`."""

    def __init__(self, faults: tuple[Fault, ...], seed: int, since: float | None = None) -> None:
        self._faults = [(place, _aim(fault), fault) for place, fault in enumerate(faults) if _aim(fault)]
        self._seed = seed
        self._since = since
        self._calls: Counter[str] = Counter()

    def open(self, now: float) -> None:
        """Count the script's time from now, unless it has begun."""
        if self._since is None:
            self._since = now

    def strike(self, endpoint: str, now: float) -> Strike:
        """What befalls the next call to an endpoint."""
        aims = (_ALL, f"{_ALL}.{endpoint}")
        self._calls.update(aims)
        self.open(now)
        assert self._since is not None
        elapsed_s = now - self._since
        return Strike(
            tuple(
                (place, fault.told(elapsed_s))
                for place, aim, fault in self._faults
                if aim in aims and fault.runs(elapsed_s) and self._hits(place, fault, self._calls[aim])
            )
        )

    def _hits(self, place: int, fault: Fault, call: int) -> bool:
        if not fault.calls[0] <= call <= fault.calls[1]:
            return False
        chance = Chance(self._seed, b"batch fault %d %d" % (place, call))
        return fault.share >= 1.0 or chance.share() < fault.share


def _aim(fault: Fault) -> str:
    """The calls at which a fault is aimed; "" for those that are not about batches."""
    if fault.kind in BATCHES:
        return _AT_RESULTS if fault.kind == "batch_partial" else _AT_CREATION
    return fault.on if fault.on.startswith(_ALL) else ""
