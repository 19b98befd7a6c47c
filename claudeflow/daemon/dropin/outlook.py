"""Outlook: whether a caller's patience will do, and what it is told when it will not. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from claudeflow.domain.attempt import Overloaded, Reply, Transient
from claudeflow.domain.report import Explanation
from claudeflow.intake.messages.errors import OVERLOADED, RATE_LIMITED
from claudeflow.policy.limits.gate import tells_of_outage

UNKNOWN_RETRY_S = 30
"""When to come back where nobody can say: holds that a person or a probe ends."""

_OF_GATES = ("gate", "probe")


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The call does not leave in time: what is answered instead."""

    status: int
    retry_after_s: int
    why: str


def foresee(found: Explanation, now_ms: int, left_s: float, last: Reply | None = None) -> GiveUp | None:
    """What to answer to a caller with so much patience left; None: let it wait on.

    `last` is what the job's last call brought, if there was one: where that met an outage, or the pool is
    paused in one, the caller is told of overload, else of a limit.
    """
    goes_in_s = None if found.goes_at_ms is None else (found.goes_at_ms - now_ms) / 1000
    if left_s > 0 and (goes_in_s is None or goes_in_s <= left_s):
        return None
    again_in_s = goes_in_s if goes_in_s is not None else _until_s(found, now_ms)
    retry_s = UNKNOWN_RETRY_S if again_in_s is None else max(1, math.ceil(again_in_s))
    is_outage = last is not None and isinstance(last.outcome, Overloaded | Transient)
    is_outage = is_outage or (found.rule in _OF_GATES and tells_of_outage(found.why))
    return GiveUp(OVERLOADED if is_outage else RATE_LIMITED, retry_s, found.why)


def _until_s(found: Explanation, now_ms: int) -> float | None:
    return None if found.until_ms is None else (found.until_ms - now_ms) / 1000
