"""The fault script: what goes wrong, when, how often, and for which models.

    [[fault]]
    kind = "rate_429"
    from_s = 60
    until_s = 90
    share = 0.5
    retry_after_s = 12

An episode is bounded by time (`from_s`, `until_s`, counted from the moment the script came into
force), by `calls` (numbers of the message calls since then, `[first, last]`, 1 being the first), or
by both. `share` is the part of the calls inside those bounds that it hits.

With `countdown = true` the `retry-after` of a 429 or 529 is the time left until `until_s`. An `outage`
lets no connection come about at all, for whatever path. `clock_skew` puts the server's clock forward by
`offset_s` (back when negative); a client whose clock is behind by as much sees the same.

Faults named `pack_...` and `wrong_answer` befall packed requests alone, several of them at once if the
script says so. `item_share` is the part of a pack's items that they hit.

Those named `batch_...` befall batches; some of the others can be aimed at them with `on = "batches"`, or at
one endpoint with `on = "batches.create"` and the like. Then `calls` counts the calls of what it is aimed at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from math import inf
from typing import Any

from claudeflow.twin.entries import (
    FLAG,
    MODEL,
    SECONDS,
    SHARE,
    Check,
    check_keys,
    check_values,
    number,
    tables,
    whole,
)
from claudeflow.twin.faults import ANSWERS, BATCHES, KINDS, ON_MESSAGES, OUTAGE, PACKS, Fault
from claudeflow.twin.headers import FAMILIES

_CATEGORIES = ("cyber", "bio", "frontier_llm", "reasoning_extraction", "general_harms")
_ERROR_TYPES = ("overloaded_error", "api_error", "invalid_request_error")
_ENDPOINTS = ("create", "list", "get", "results", "cancel", "delete")
_AIMS = (ON_MESSAGES, "batches", *(f"batches.{endpoint}" for endpoint in _ENDPOINTS))
_AIMABLE = ANSWERS | {"slow_body", "headers_lost", "clock_skew"}
_OWN_KEYS: dict[str, frozenset[str]] = {
    "rate_429": frozenset({"retry_after_s", "countdown"}),
    "ramp_429": frozenset({"retry_after_s", "countdown"}),
    "overloaded_529": frozenset({"retry_after_s", "countdown"}),
    "headers_lost": frozenset({"families"}),
    "retry_after_on_200": frozenset({"retry_after_s"}),
    "silent": frozenset({"for_s"}),
    "stall": frozenset({"for_s", "after_share"}),
    "reset_mid_stream": frozenset({"after_share"}),
    "truncate": frozenset({"after_share"}),
    "stream_error": frozenset({"after_share", "error_type"}),
    "refusal": frozenset({"category"}),
    "slow_body": frozenset({"gap_s"}),
    "clock_skew": frozenset({"offset_s"}),
    "latency_factor": frozenset({"factor"}),
    **{kind: frozenset({"item_share"}) for kind in PACKS},
    "pack_truncate": frozenset({"after_share"}),
    "pack_prose": frozenset(),
    "batch_late": frozenset({"factor", "for_s"}),
    "batch_expire": frozenset({"item_share"}),
    "batch_item_error": frozenset({"item_share", "error_type"}),
    "batch_partial": frozenset({"after_share", "orderly"}),
}
_COMMON_KEYS = frozenset({"kind", "from_s", "until_s", "calls", "share", "model"})
_OUTAGE_KEYS = frozenset({"kind", "from_s", "until_s"})


def parse_faults(entries: Any) -> tuple[Fault, ...]:
    """Check `[[fault]]` entries. Raises ValueError naming the entry and what is allowed."""
    return tuple(_parse_fault(where, entry) for where, entry in tables("fault", entries))


def _parse_fault(where: str, entry: Mapping[str, Any]) -> Fault:
    kind = entry.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"{where}: kind {kind!r} is unknown; allowed: {', '.join(sorted(KINDS))}")
    where = f"{where} ({kind})"
    check_keys(where, entry, _keys_of(kind))
    check_values(where, entry, _CHECKS)
    values = dict(entry)
    if "calls" in values:
        values["calls"] = (values["calls"][0], values["calls"][1])
    fault = Fault(**values)
    if fault.until_s <= fault.from_s:
        raise ValueError(f"{where}: until_s must be later than from_s ({fault.from_s:g})")
    if fault.countdown and fault.until_s == inf:
        raise ValueError(f"{where}: countdown needs until_s, to which it counts down")
    if fault.countdown and fault.retry_after_s is not None:
        raise ValueError(f"{where}: countdown and retry_after_s exclude each other")
    if fault.on != ON_MESSAGES and fault.model is not None:
        raise ValueError(f"{where}: give model or on, not both: a batch may hold requests for several models")
    if fault.error_type == "invalid_request_error" and kind != "batch_item_error":
        raise ValueError(f"{where}: error_type invalid_request_error is for batch_item_error alone")
    return fault


def _keys_of(kind: str) -> frozenset[str]:
    """The keys that an entry of this kind may have."""
    if kind == OUTAGE:
        return _OUTAGE_KEYS
    own = _OWN_KEYS.get(kind, frozenset())
    if kind in BATCHES:
        return (_COMMON_KEYS | own) - {"model"}
    return _COMMON_KEYS | own | ({"on"} if kind in _AIMABLE else frozenset())


def _calls(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) == 2
        and all(number(1)(bound) for bound in value)
        and value[0] <= value[1]
    )


_CHECKS: dict[str, Check] = {
    "kind": (lambda value: value in KINDS, "a known kind"),
    "from_s": SECONDS,
    "until_s": SECONDS,
    "calls": (_calls, "[first, last], counted from 1"),
    "share": SHARE,
    "model": MODEL,
    "retry_after_s": (whole(1), "whole seconds from 1 up"),
    "countdown": FLAG,
    "families": (lambda value: value in FAMILIES, ", ".join(FAMILIES)),
    "for_s": SECONDS,
    "after_share": SHARE,
    "error_type": (lambda value: value in _ERROR_TYPES, " or ".join(_ERROR_TYPES)),
    "category": (lambda value: value in _CATEGORIES, " or ".join(_CATEGORIES)),
    "gap_s": SECONDS,
    "offset_s": (number(-inf), "seconds"),
    "factor": (number(0), "a number from 0 up"),
    "item_share": SHARE,
    "on": (lambda value: value in _AIMS, ", ".join(_AIMS)),
    "orderly": FLAG,
}
assert set(_CHECKS) == {item.name for item in fields(Fault)}
