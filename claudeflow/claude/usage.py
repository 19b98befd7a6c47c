"""The Messages `usage` object as a domain value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from claudeflow.domain.usage import Usage


def read_usage(raw: Mapping[str, Any], *, caches_for_1h: bool) -> Usage:
    """What was used, by the API's own account. Absent or odd fields count as zero.

    Cache writes that the 5 m / 1 h split does not account for are booked under the longest TTL
    that the request asked for, and `split_known` is False.
    """
    split = _part(raw, "cache_creation")
    write_5m = _count(split, "ephemeral_5m_input_tokens")
    write_1h = _count(split, "ephemeral_1h_input_tokens")
    unsplit = max(0, _count(raw, "cache_creation_input_tokens") - write_5m - write_1h)
    return Usage(
        input_tokens=_count(raw, "input_tokens"),
        cache_write_5m_tokens=write_5m + (0 if caches_for_1h else unsplit),
        cache_write_1h_tokens=write_1h + (unsplit if caches_for_1h else 0),
        cache_read_tokens=_count(raw, "cache_read_input_tokens"),
        output_tokens=_count(raw, "output_tokens"),
        thinking_tokens=_count(_part(raw, "output_tokens_details"), "thinking_tokens"),
        web_searches=_count(_part(raw, "server_tool_use"), "web_search_requests"),
        web_fetches=_count(_part(raw, "server_tool_use"), "web_fetch_requests"),
        service_tier=_word(raw, "service_tier") or "standard",
        speed=_word(raw, "speed") or "standard",
        inference_geo=_word(raw, "inference_geo"),
        split_known=unsplit == 0,
    )


def is_complete(raw: Mapping[str, Any]) -> bool:
    """Whether it has all that a bill needs: the two counts that are always there, and nothing beside them.

    `iterations` that are not of the message itself (an advisor's, a compaction's) are billed as well, at
    another model's price perhaps, and are in no other count.
    """
    iterations = raw.get("iterations")
    beside = any(
        isinstance(one, dict) and one.get("type") != "message"
        for one in (iterations if isinstance(iterations, list) else ())
    )
    return not beside and all(type(raw.get(field)) is int for field in ("input_tokens", "output_tokens"))


def _part(raw: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    value = raw.get(field)
    return value if isinstance(value, dict) else {}


def _count(raw: Mapping[str, Any], field: str) -> int:
    value = raw.get(field)
    return value if type(value) is int and value > 0 else 0


def _word(raw: Mapping[str, Any], field: str) -> str | None:
    value = raw.get(field)
    return value if isinstance(value, str) and value else None
