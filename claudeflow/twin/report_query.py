"""Questions to the usage and cost reports: which time, which calls, broken out by what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qs

from claudeflow.twin.errors import ApiError

BUCKET_S: dict[str, int] = {"1m": 60, "1h": 3_600, "1d": 86_400}
_EARLIEST_S = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
_DAY_S = 86_400
_MOST_DAYS = 31
_OLDEST_DAYS = 365
_PAGE = "page_"


@dataclass(frozen=True, slots=True)
class ReportQuery:
    """What was asked. Times are seconds since 1970, `width_s` None without time buckets."""

    since_s: int
    until_s: int
    width_s: int | None
    group_by: tuple[str, ...]
    filters: Mapping[str, frozenset[str]]
    limit: int
    offset: int
    order_by: str
    ascending: bool


class Asked:
    """The parameters of one request. Every complaint is an ApiError (400) that names the parameter."""

    def __init__(self, query: str, now_s: float) -> None:
        self._values = parse_qs(query, keep_blank_values=True)
        self._now_s = now_s

    def one(self, name: str, default: str = "") -> str:
        """A parameter that is given at most once."""
        return self._values.get(name, [default])[0]

    def many(self, name: str) -> list[str]:
        """A list: `name[]`, as often as there are values."""
        return self._values.get(f"{name}[]", [])

    def choice(self, name: str, allowed: Mapping[str, object], default: str) -> str:
        """One of the allowed values."""
        value = self.one(name, default)
        if value not in allowed:
            raise _wrong(name, f"Input should be one of {', '.join(allowed)}")
        return value

    def moment(self, name: str) -> float | None:
        """A time in RFC 3339 with a zone; None when it is not given."""
        text = self.one(name)
        if not text:
            return None
        try:
            moment = datetime.fromisoformat(text.replace(" ", "+"))
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            raise _wrong(name, "Input should be an RFC 3339 time with a zone")
        return moment.timestamp()

    def window(self, width_s: int) -> tuple[int, int]:
        """From when until when, in whole buckets: from `starting_at` on, and before `ending_at`."""
        since_s, until_s = self.moment("starting_at"), self.moment("ending_at")
        if since_s is None:
            raise _wrong("starting_at", "Field required")
        if since_s < max(_EARLIEST_S, self._now_s - _OLDEST_DAYS * _DAY_S):
            raise _wrong("starting_at", "Input should be within the last 365 days and from 2026-01-01 on")
        latest_s = since_s + _MOST_DAYS * _DAY_S
        if until_s is None:
            until_s = min(self._now_s, latest_s)
        if not since_s < until_s <= latest_s:
            raise _wrong("ending_at", "Input should be after starting_at by at most 31 days")
        return int(since_s // width_s * width_s), int(-(-until_s // width_s) * width_s)

    def group_by(self, allowed: frozenset[str], most: int) -> tuple[str, ...]:
        """The dimensions to break out by."""
        dimensions = tuple(dict.fromkeys(self.many("group_by")))
        for name in dimensions:
            if name not in allowed:
                raise _wrong("group_by", f"{name} is not supported; allowed: {', '.join(sorted(allowed))}")
        if len(dimensions) > most:
            raise _wrong("group_by", f"at most {most} dimensions are allowed")
        return dimensions

    def filters(self, names: Mapping[str, str]) -> dict[str, frozenset[str]]:
        """Wanted values by dimension; `names` gives the parameter of each."""
        return {dimension: frozenset(self.many(name)) for name, dimension in names.items() if self.many(name)}

    def limit(self, default: int, most: int) -> int:
        """How many buckets or rows fit on a page."""
        text = self.one("limit", str(default))
        if not text.isdigit() or not 1 <= int(text) <= most:
            raise _wrong("limit", f"Input should be between 1 and {most}")
        return int(text)

    def offset(self) -> int:
        """Where the page begins."""
        cursor = self.one("page")
        if cursor and not (cursor.startswith(_PAGE) and cursor.removeprefix(_PAGE).isdigit()):
            raise _wrong("page", "Input should be the next_page of an earlier answer")
        return int(cursor.removeprefix(_PAGE)) if cursor else 0


def cursor_at(offset: int) -> str:
    """The cursor of the page that begins there."""
    return f"{_PAGE}{offset}"


def rfc3339(epoch_s: float) -> str:
    """Whole seconds in UTC."""
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _wrong(name: str, what: str) -> ApiError:
    return ApiError(400, f"{name}: {what}")
