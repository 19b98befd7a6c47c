"""Refusals: whether a 403 speaks of the job that got it, or of the key's right to a model."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from claudeflow.domain.job import JobId

REMEMBERED_MS = 600_000


class Refusal(Enum):
    """What a 403 means, in the light of earlier ones."""

    FIRST = auto()
    """The model has refused nobody else of late: worth another try."""

    OWN = auto()
    """It has refused this job again, and nobody else: the job's own fault."""

    REPEATED = auto()
    """It refuses one job after the other."""


@dataclass(slots=True)
class _Refused:
    at_ms: int
    speaks_of_model: bool = True


class Refusals:
    """The 403s of the last ten minutes. Times are epoch milliseconds."""

    def __init__(self) -> None:
        self._by_model: dict[str, dict[JobId, _Refused]] = {}

    def judge(self, model: str, job: JobId, now_ms: int) -> Refusal:
        """A job was refused its model."""
        found = self._by_model.get(model, {})
        recent = {known: one for known, one in found.items() if one.at_ms > now_ms - REMEMBERED_MS}
        was_refused = job in recent
        others = any(one.speaks_of_model for known, one in recent.items() if known != job)
        recent[job] = _Refused(now_ms)
        self._by_model[model] = recent
        if others:
            return Refusal.REPEATED
        return Refusal.OWN if was_refused else Refusal.FIRST

    def served(self, model: str) -> None:
        """The model answered: what it refused before was the fault of those jobs."""
        for refused in self._by_model.get(model, {}).values():
            refused.speaks_of_model = False
