"""Response headers as values. Every header is optional, and none that is odd may raise.

Observed on recordings of the real API: three different sets of `anthropic-ratelimit-*`, resets in
the past on most answers, and `retry-after` on answers with status 200, where it orders nothing.
The combined `anthropic-ratelimit-tokens-*` family is input plus output, or the limit of a workspace
where that is smaller. The families `anthropic-priority-*` and `anthropic-fast-*` describe capacity
outside of the pool and are not read; nor is `anthropic-ratelimit-unified-*` of other credentials.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache

from claudeflow.domain.quota import Axis, AxisReading, Reading

FAMILY = {
    Axis.REQUESTS: "anthropic-ratelimit-requests-",
    Axis.INPUT_TOKENS: "anthropic-ratelimit-input-tokens-",
    Axis.OUTPUT_TOKENS: "anthropic-ratelimit-output-tokens-",
    Axis.TOKENS: "anthropic-ratelimit-tokens-",
}

MOST = 10**15
"""A count beyond this is none: no limit or bucket of an API is as large."""

LONGEST_RETRY_AFTER_S = 31 * 86_400.0
"""A longer pause is not believed: one odd header must not stop a pool for good."""


def read_reading(headers: Mapping[str, str]) -> Reading | None:
    """What the headers say about the pool's buckets; None when they say nothing. Names in lower case."""
    server_s = _http_date(headers.get("date", ""))
    axes = {axis: _axis(headers, family, server_s) for axis, family in FAMILY.items()}
    if not any(axes.values()):
        return None
    return Reading(**{axis.value: reading for axis, reading in axes.items()})


def read_retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds that `retry-after` orders to wait: a number, or an HTTP date against the server's `date`.

    None where it orders nothing that makes sense.
    """
    value = headers.get("retry-after", "")
    wait_s = _number(value)
    if wait_s is None:
        until_s, server_s = _http_date(value), _http_date(headers.get("date", ""))
        if until_s is None or server_s is None:
            return None
        wait_s = max(0.0, until_s - server_s)
    return wait_s if 0 <= wait_s <= LONGEST_RETRY_AFTER_S else None


def read_should_retry(headers: Mapping[str, str]) -> bool | None:
    """The server's own advice (`x-should-retry`), if it gave any."""
    return {"true": True, "false": False}.get(headers.get("x-should-retry", "").strip().lower())


def _axis(headers: Mapping[str, str], family: str, server_s: float | None) -> AxisReading | None:
    limit = _whole(headers.get(family + "limit", ""))
    remaining = _whole(headers.get(family + "remaining", ""))
    reset_s = _instant(headers.get(family + "reset", ""))
    full_in_s = None if reset_s is None or server_s is None else reset_s - server_s
    if limit is not None and limit <= 0:
        limit = None
    if limit is None and remaining is None and full_in_s is None:
        return None
    return AxisReading(limit, remaining, full_in_s)


def _whole(value: str) -> int | None:
    try:
        number = int(value)
    except ValueError:
        return None
    return number if abs(number) <= MOST else None


def _number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


@lru_cache(maxsize=256)  # whole seconds: the answers of one second share their resets
def _instant(value: str) -> float | None:
    """Epoch seconds of a `reset`: RFC 3339 on API keys, already epoch seconds on other credentials."""
    number = _number(value)
    if number is not None:
        return number
    try:
        instant = datetime.fromisoformat(value.strip())
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


@lru_cache(maxsize=16)  # all answers of one second carry the same text, and parsing it takes 10 µs
def _http_date(value: str) -> float | None:
    if not value:
        return None
    try:
        return parsedate_to_datetime(value).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
