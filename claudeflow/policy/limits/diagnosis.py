"""Diagnosis: which limit a 429 came from, by its own words and headers.

The message names the limit ("rate limit of 30,000 input tokens per minute"); the headers beside it
show what is left. When the named bucket, or every bucket, still has room for the call, a window
shorter than a minute turned it away.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from claudeflow.domain.attempt import Throttled, ThrottleKind
from claudeflow.domain.quota import OWN_AXES, Axis, Demand, Reading


class Cause(StrEnum):
    """What turned a call away."""

    EXHAUSTED = "exhausted"
    HIDDEN_WINDOW = "hidden window"
    CONNECTIONS = "connections"
    RAMP = "ramp"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The cause, and as far as the answer tells the axis and its limit a minute."""

    cause: Cause
    axis: Axis | None = None
    limit_per_min: float | None = None


_LIMIT = re.compile(r"([\d,]+) (requests|input tokens|output tokens) per minute", re.IGNORECASE)
_CONNECTIONS = re.compile(r"concurrent (connections|requests)", re.IGNORECASE)


def diagnose(outcome: Throttled, reading: Reading | None, demand: Demand) -> Diagnosis:
    """What the 429 of a call of this demand means."""
    message = outcome.error.message
    if outcome.kind is ThrottleKind.RAMP:
        return Diagnosis(Cause.RAMP)
    if _CONNECTIONS.search(message):
        return Diagnosis(Cause.CONNECTIONS)
    named, limit = _named(message)
    if reading is None:
        return Diagnosis(Cause.UNKNOWN, named, limit)
    emptied = [axis for axis in OWN_AXES if _is_too_little(axis, reading, demand)]
    if named is not None and reading.on(named) is not None and named not in emptied:
        return Diagnosis(Cause.HIDDEN_WINDOW, named, limit)
    if emptied:
        return Diagnosis(Cause.EXHAUSTED, named or emptied[0], limit)
    if named is None and all(reading.on(axis) is not None for axis in OWN_AXES):
        return Diagnosis(Cause.HIDDEN_WINDOW)
    return Diagnosis(Cause.UNKNOWN, named, limit)


def _named(message: str) -> tuple[Axis | None, float | None]:
    found = _LIMIT.search(message)
    if found is None:
        return None, None
    limit = float(found[1].replace(",", "") or 0)
    return Axis(found[2].lower().replace(" ", "_")), limit if limit > 0 else None


def _is_too_little(axis: Axis, reading: Reading, demand: Demand) -> bool:
    """Output reserves nothing, so it is only too little when it is gone."""
    told = reading.on(axis)
    if told is None or told.remaining is None:
        return False
    wanted = 0.0 if axis is Axis.OUTPUT_TOKENS else demand.on(axis)
    return told.remaining <= 0 or told.remaining < wanted
