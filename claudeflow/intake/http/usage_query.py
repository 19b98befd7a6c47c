"""The query of `GET /v1/usage` → UsageQuestion. Whatever is wrong is refused with what is allowed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from claudeflow.domain.ledger import Dimension, UsageQuestion
from claudeflow.intake.http.errors import InvalidQuery
from claudeflow.intake.http.queries import Query
from claudeflow.intake.mistakes import did_you_mean, listed, show

HOUR_MS = 3_600_000
FILTERS = tuple(dimension for dimension in Dimension if not dimension.is_time)
PARAMETERS = frozenset({"by", "since", "until", *FILTERS})

_DAY_MS = 24 * HOUR_MS
_AGO = re.compile(r"(\d{1,6})([hdw])", re.ASCII)
_UNIT_MS: Mapping[str, int] = {"h": HOUR_MS, "d": _DAY_MS, "w": 7 * _DAY_MS}
_LAST_MS = 253_402_300_799_999  # the end of the year 9999, the last that RFC 3339 can write
_ABSOLUTE = re.compile(r"\d{4}-\d\d(?P<day>-\d\d(?:[T ].+)?)?", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FORMS = (
    'write "7d", "24h" or "2w" for so long ago, "today", "month" for this month, "all", a month like '
    '"2026-11", a day like "2026-11-22", or a moment like "2026-11-22T09:00Z"; days and months are UTC'
)


def read_question(query: Query, now_ms: int) -> UsageQuestion:
    """Which sums are wanted. Raises InvalidQuery. Without `since`, those of this month."""
    since_ms = read_moment("since", query.text("since") or "month", now_ms)
    until = query.text("until")
    until_ms = None if until is None else read_moment("until", until, now_ms)
    if until_ms is not None and until_ms <= since_ms:
        raise InvalidQuery(f"until ({until}) is not after since: nothing lies between them")
    where = ((dimension, query.text(dimension)) for dimension in FILTERS)
    return UsageQuestion(
        by=_dimensions(query.text("by") or ""),
        since_ms=since_ms,
        until_ms=until_ms,
        where=tuple((dimension, value) for dimension, value in where if value is not None),
    )


def _dimensions(text: str) -> tuple[Dimension, ...]:
    names = [name.strip() for name in text.split(",")] if text else []
    allowed = [dimension.value for dimension in Dimension]
    for name in names:
        if name not in allowed:
            hint = did_you_mean(name, allowed)
            raise InvalidQuery(f"by: {show(name)} is no dimension; allowed are {listed(allowed)}.{hint}")
        if names.count(name) > 1:
            raise InvalidQuery(f"by: {name} is given twice; give it once")
    return tuple(Dimension(name) for name in names)


def read_moment(field: str, text: str, now_ms: int) -> int:
    """A moment in epoch ms, UTC where no zone is said. Raises InvalidQuery."""
    ago = _AGO.fullmatch(text)
    if ago:
        return max(0, now_ms - int(ago[1]) * _UNIT_MS[ago[2]])
    if text == "all":
        return 0
    if text in ("today", "month"):
        day = (_EPOCH + timedelta(milliseconds=now_ms)).date()
        text = (day if text == "today" else day.replace(day=1)).isoformat()
    return _absolute(field, text)


def _absolute(field: str, text: str) -> int:
    form = _ABSOLUTE.fullmatch(text)
    try:
        moment = None if form is None else datetime.fromisoformat(text if form["day"] else f"{text}-01")
    except ValueError:
        moment = None
    if moment is None:
        raise InvalidQuery(f"{field}: found {show(text)}; {_FORMS}")
    if moment.tzinfo is None:
        if "T" in text or " " in text:
            raise InvalidQuery(
                f'{field}: {show(text)} has no zone; add "Z" for UTC or an offset like "+01:00"'
            )
        moment = moment.replace(tzinfo=UTC)
    epoch_ms = (moment - _EPOCH) // timedelta(milliseconds=1)
    if epoch_ms > _LAST_MS:
        raise InvalidQuery(f"{field}: {show(text)} is after the year 9999; choose an earlier moment")
    return max(0, epoch_ms)
