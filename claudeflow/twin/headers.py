"""Response headers in the formats on record: whole seconds, rounded tokens, and any family may be missing."""

from __future__ import annotations

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
_PREFIX = "anthropic-ratelimit-"
_FAST_PREFIX = "anthropic-fast-"
_FAST_FAMILIES = ("input-tokens", "output-tokens")


@lru_cache(maxsize=4096)
def rfc3339(epoch_s: int) -> bytes:
    """Whole seconds in UTC, as `*-reset` has them."""
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ").encode()


@lru_cache(maxsize=64)
def http_date(epoch_s: int) -> bytes:
    """The value of the `date` header."""
    return formatdate(epoch_s, usegmt=True).encode()


def rounded_thousand(level: float) -> int:
    """Token levels are told to the nearest 1,000 and never below zero."""
    return max(0, int(level + 500) // 1000 * 1000)


def rate_headers(
    gauges: tuple[Gauge, Gauge, Gauge], offset_s: float, families: str, *, fast: bool = False
) -> list[Header]:
    """The rate-limit headers for the gauges of requests, input and output.

    `offset_s` turns monotonic time into seconds since 1970. `tokens` is the sum of input and output,
    and its reset the earlier of the two.
    """
    requests, incoming, outgoing = gauges
    values = {
        "requests": (requests.limit, max(0, floor(requests.level)), requests.full_at),
        "input-tokens": (incoming.limit, rounded_thousand(incoming.level), incoming.full_at),
        "output-tokens": (outgoing.limit, rounded_thousand(outgoing.level), outgoing.full_at),
    }
    _, input_left, _ = values["input-tokens"]
    _, output_left, _ = values["output-tokens"]
    full_at = min(incoming.full_at, outgoing.full_at)
    values["tokens"] = (incoming.limit + outgoing.limit, input_left + output_left, full_at)
    prefix, wanted = (_FAST_PREFIX, _FAST_FAMILIES) if fast else (_PREFIX, FAMILIES[families])
    if families == "none":
        wanted = ()
    lines: list[Header] = []
    for family in wanted:
        limit, left, full = values[family]
        names = _names(prefix, family)
        lines += (
            (names[0], b"%d" % limit),
            (names[1], b"%d" % left),
            (names[2], rfc3339(floor(full + offset_s))),
        )
    return lines


@lru_cache(maxsize=16)
def _names(prefix: str, family: str) -> tuple[bytes, bytes, bytes]:
    stem = f"{prefix}{family}-".encode()
    return stem + b"limit", stem + b"remaining", stem + b"reset"
