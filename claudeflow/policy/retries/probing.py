"""Probing: when one call may test whether the cause of a hold is over.

Never more than three probes in ten minutes. What the API refused with the same cause is asked
again after four minutes; a monthly cap after hours, and when the month turns. A probe that met
something else (a 429, an overload, a broken connection) proves nothing and may go again soon.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from claudeflow.domain.hold import HoldCause

MINUTE_MS = 60_000
FIRST_PROBE_MS = MINUTE_MS
PROBE_EVERY_MS = 4 * MINUTE_MS
CAP_PROBE_EVERY_MS = 120 * MINUTE_MS
MONTH_TURNS_MS = 30 * MINUTE_MS
"""For so long after the start of a month a cap is probed like any other cause: clocks differ."""

SOON_MS = 15_000
PROBES = 3
PROBES_WITHIN_MS = 10 * MINUTE_MS


def first_probe_ms(cause: HoldCause, now_ms: int) -> int:
    """When a new hold is probed for the first time: a cause may have been a slip of the API's."""
    return next_probe_ms(cause, now_ms) if cause is HoldCause.SPEND_CAP else now_ms + FIRST_PROBE_MS


def next_probe_ms(cause: HoldCause, now_ms: int) -> int:
    """When to probe again after the cause has shown itself at `now_ms`."""
    if cause is not HoldCause.SPEND_CAP or next_month_ms(now_ms - MONTH_TURNS_MS) <= now_ms:
        return now_ms + PROBE_EVERY_MS
    return min(now_ms + CAP_PROBE_EVERY_MS, next_month_ms(now_ms))


def soon_ms(vain: int, now_ms: int) -> int:
    """When to probe again after `vain` probes in a row that proved nothing."""
    return now_ms + min(PROBE_EVERY_MS, SOON_MS << min(vain - 1, 8))


def within_bound_ms(probe_at_ms: int, probed_ms: Sequence[int]) -> int:
    """`probe_at_ms`, or later where it would be one probe too many in ten minutes."""
    if len(probed_ms) < PROBES:
        return probe_at_ms
    return max(probe_at_ms, probed_ms[-PROBES] + PROBES_WITHIN_MS)


def next_month_ms(now_ms: int) -> int:
    """When the next month begins in UTC."""
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return round((first + timedelta(days=32)).replace(day=1).timestamp() * 1000)
