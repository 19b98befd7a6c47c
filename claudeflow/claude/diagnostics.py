"""The `diagnostics` of a message: why its prefix could not be read from the cache (Cache diagnostics)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from claudeflow.domain.attempt import CacheMiss

PENDING = "pending"


def read_cache_miss(message: Mapping[str, Any]) -> CacheMiss | None:
    """What the API says; None when it was not asked, or found no difference. Odd shapes say nothing."""
    diagnostics = message.get("diagnostics")
    if not isinstance(diagnostics, dict) or "cache_miss_reason" not in diagnostics:
        return None
    reason = diagnostics["cache_miss_reason"]
    if reason is None:
        return CacheMiss(PENDING)
    if not isinstance(reason, dict) or not isinstance(reason.get("type"), str):
        return None
    tokens = reason.get("cache_missed_input_tokens")
    return CacheMiss(reason["type"], tokens if type(tokens) is int else None)
