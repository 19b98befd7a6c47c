"""Judgements: whether packs of a prompt pay, and when that is news."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from claudeflow.domain.job import PromptRef
from claudeflow.domain.pack_events import PackingJudged
from claudeflow.policy.packing.worth import Worth

if TYPE_CHECKING:
    from claudeflow.daemon.shared import Shared

TELL_AGAIN_S = 60.0
"""Caches cool and requests become scarce from one moment to the next: not every change is told."""

MOST_VERSIONS = 500
"""How many versions are remembered; the one not heard of for longest is forgotten."""


@dataclass(frozen=True, slots=True)
class _Judged:
    worth: Worth
    told_pays: bool
    told_at: float


class Judgements:
    """One per daemon: what was found last of each prompt version."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._judged: dict[PromptRef, _Judged] = {}

    def of(self, ref: PromptRef) -> Worth | None:
        """What was found last; None when nothing was."""
        known = self._judged.get(ref)
        return None if known is None else known.worth

    def note(self, ref: PromptRef, worth: Worth) -> None:
        """Keep it. Another one than was told last is told, now or when it has lasted."""
        now, known = self._shared.clock.monotonic(), self._judged.pop(ref, None)
        is_news = known is None or (known.told_pays is not worth.pays and now - known.told_at >= TELL_AGAIN_S)
        if is_news:
            self._shared.emit(PackingJudged(ref.name, ref.version, worth.pays, worth.why))
        told_pays = worth.pays if known is None or is_news else known.told_pays
        told_at = now if known is None or is_news else known.told_at
        self._judged[ref] = _Judged(worth, told_pays, told_at)
        if len(self._judged) > MOST_VERSIONS:
            del self._judged[next(iter(self._judged))]
