"""Outlook: why jobs wait for a batch and until when, for those who ask and for the keeper's next look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from claudeflow.daemon.shared import Shared
from claudeflow.policy.lanes.parking import Block


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the jobs that wait for a batch are told. `until_ms`: when that changes by itself."""

    why: str
    until_ms: int | None


NOBODY_LOOKED = Outlook("no batch has been looked at yet", None)


class Kind(Protocol):
    """Something of a lane, a workflow and a model: a group, or a job."""

    @property
    def lane(self) -> str: ...

    @property
    def workflow(self) -> str: ...

    @property
    def model(self) -> str: ...


class Outlooks:
    """What all jobs that wait are told, and those apart that something of their own holds back."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._told: dict[tuple[str, str, str], Outlook] = {}
        self._apart: dict[tuple[str, str, str], Outlook] = {}
        self._general = NOBODY_LOOKED
        self.waits_for_money = False

    def begin(self) -> None:
        """Everything is looked at anew. Until that is over people are told what was found before."""
        self._apart = {}
        self.waits_for_money = False

    def has(self, kind: Kind) -> bool:
        """Whether something of their own holds jobs of this kind back."""
        return _key(kind) in self._apart

    def of(self, kind: Kind) -> Outlook:
        """What a job that waits for a batch waits for."""
        return self._told.get(_key(kind), self._general)

    def put(self, kind: Kind, outlook: Outlook) -> None:
        """Jobs of this kind stay behind."""
        self._apart[_key(kind)] = outlook

    def tell(self, general: Outlook) -> None:
        """Everything was looked at: all but those apart wait for this."""
        self._told, self._general = self._apart, general

    def block(self, kind: Kind, block: Block) -> None:
        """Money, or the pace of a budget, keeps jobs of this kind behind."""
        clock, until_ms = self._shared.clock, None
        if block.until is not None:
            until_ms = clock.epoch_ms() + round(1000 * max(0.0, block.until - clock.monotonic()))
        self.waits_for_money = True
        self.put(kind, Outlook(block.why, until_ms))

    def next_ms(self, now_ms: int) -> int | None:
        """When the first of these changes by itself (epoch ms)."""
        moments = [one.until_ms for one in self._apart.values() if one.until_ms is not None]
        return min((max(moment, now_ms + 1) for moment in moments), default=None)


def _key(kind: Kind) -> tuple[str, str, str]:
    return kind.lane, kind.workflow, kind.model
