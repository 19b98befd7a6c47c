"""Response headers in the formats on record: whole seconds, rounded tokens, and any family may be missing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import formatdate
from functools import lru_cache
from math import floor

from claudeflow.twin.limits import Gauge

Header = tuple[bytes, bytes]

FAMILIES: dict[str, tuple[str, ...]] = {
    "all": ("requests", "input-tokens", "output-tokens", "tokens"),
    "nine": ("input-tokens", "output-tokens", "tokens"),
    "six": ("requests", "tokens"),
    "none": (),
}
STANDARD = "anthropic-ratelimit-"
FAST = "anthropic-fast-"
PRIORITY = "anthropic-priority-"
_TOKEN_FAMILIES = ("input-tokens", "output-tokens")
# A moment that is a whole second must not be told as the one before, whatever the last bit of a float says.
_SLACK_S = 1e-6


@dataclass(frozen=True, slots=True)
class Gauges:
    """What the headers of one answer tell.

    `tokens` is the combined family where a workspace's limit is tighter than the organisation's;
    `priority` is input and output of a Priority Tier commitment. `prefix` names the main families.
    """

    requests: Gauge
    input: Gauge
    output: Gauge
    tokens: Gauge | None = None
    priority: tuple[Gauge, Gauge] | None = None
    prefix: str = STANDARD


def summed(one: Gauge, other: Gauge) -> Gauge:
    """The combined family: limits and remainders added, and full when the first of both is."""
    level = rounded_thousand(one.level) + rounded_thousand(other.level)
    return Gauge(one.limit + other.limit, level, min(one.full_at, other.full_at))


@lru_cache(maxsize=4096)
def rfc3339(epoch_s: int) -> bytes:
    """Whole seconds in UTC, as `*-reset` has them."""
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ").encode()


@lru_cache(maxsize=64)
def http_date(epoch_s: int) -> bytes:
    """The value of the `date` header."""
    return formatdate(epoch_s, usegmt=True).encode()


def whole_seconds(epoch_s: float) -> int:
    """The second that has begun."""
    return floor(epoch_s + _SLACK_S)


def rounded_thousand(level: float) -> int:
    """Token levels are told to the nearest 1,000 and never below zero."""
    return max(0, int(level + 500) // 1000 * 1000)


def rate_headers(gauges: Gauges, offset_s: float, families: str) -> list[Header]:
    """The rate-limit headers. `offset_s` turns monotonic time into seconds since 1970."""
    lines: list[Header] = []
    if families == "none":
        return lines
    if gauges.prefix == STANDARD:
        for family in FAMILIES[families]:
            _tell(lines, STANDARD, family, gauges, offset_s)
    else:
        for family in _TOKEN_FAMILIES:
            _tell(lines, gauges.prefix, family, gauges, offset_s)
    if gauges.priority is not None:
        shown = Gauges(gauges.requests, *gauges.priority)
        for family in _TOKEN_FAMILIES:
            _tell(lines, PRIORITY, family, shown, offset_s)
    return lines


def _tell(lines: list[Header], prefix: str, family: str, gauges: Gauges, offset_s: float) -> None:
    if family == "requests":
        gauge = gauges.requests
        left = max(0, floor(gauge.level + _SLACK_S))
    else:
        if family == "input-tokens":
            gauge = gauges.input
        elif family == "output-tokens":
            gauge = gauges.output
        else:
            gauge = gauges.tokens or summed(gauges.input, gauges.output)
        left = rounded_thousand(gauge.level)
    names = _names(prefix, family)
    lines.append((names[0], b"%d" % gauge.limit))
    lines.append((names[1], b"%d" % left))
    lines.append((names[2], rfc3339(whole_seconds(gauge.full_at + offset_s))))


@lru_cache(maxsize=16)
def _names(prefix: str, family: str) -> tuple[bytes, bytes, bytes]:
    stem = f"{prefix}{family}-".encode()
    return stem + b"limit", stem + b"remaining", stem + b"reset"
