"""Points in time as producers write them: RFC 3339 with a zone, or relative to now."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from claudeflow.intake.mistakes import Mistakes, kind_of, show

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS = 253_402_300_799_999  # the end of the year 9999, the last that RFC 3339 can write
_MS = timedelta(milliseconds=1)
_RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?P<zone>[Zz]|[+-]\d\d:\d\d)?", re.ASCII
)
_RELATIVE = re.compile(r"\+(?P<amount>\d{1,9})(?P<unit>[smhd])", re.ASCII)
_UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_FORMS = 'write RFC 3339 with a zone like "2026-11-22T09:00:00Z", or "+45s", "+30m", "+2h", "+1d" from now'


def read_time(field: str, value: Any, now_ms: int, mistakes: Mistakes) -> int | None:
    """A point in time in epoch milliseconds; None when it is not given, or wrong and noted."""
    if value is None:
        return None
    if not isinstance(value, str):
        mistakes.add(field, f"must be a string, found {kind_of(value)}; {_FORMS}")
        return None
    relative = _RELATIVE.fullmatch(value)
    if relative:
        moment_ms = now_ms + int(relative["amount"]) * _UNIT_MS[relative["unit"]]
        return _in_range(field, value, moment_ms, mistakes)
    return _read_absolute(field, value, mistakes)


def write_time(epoch_ms: int | None) -> str | None:
    """Epoch milliseconds as RFC 3339 in UTC, with milliseconds."""
    if epoch_ms is None:
        return None
    return (_EPOCH + epoch_ms * _MS).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _read_absolute(field: str, value: str, mistakes: Mistakes) -> int | None:
    absolute = _RFC_3339.fullmatch(value)
    if not absolute:
        mistakes.add(field, f"found {show(value)}; {_FORMS}")
        return None
    if not absolute["zone"]:
        mistakes.add(field, f'has no zone: {show(value)}; add "Z" for UTC or an offset like "+01:00"')
        return None
    try:
        moment = datetime.fromisoformat(value.upper())
    except ValueError as error:
        mistakes.add(field, f"there is no such moment as {show(value)} ({error}); {_FORMS}")
        return None
    return _in_range(field, value, (moment - _EPOCH) // _MS, mistakes)


def _in_range(field: str, value: str, moment_ms: int, mistakes: Mistakes) -> int | None:
    if moment_ms > _LAST_MS:
        mistakes.add(field, f"{show(value)} is after the year 9999; choose an earlier moment")
        return None
    return max(0, moment_ms)
