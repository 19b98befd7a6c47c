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
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import fields
from math import inf
from pathlib import Path
from typing import Any

from claudeflow.twin.faults import KINDS, Fault

_CATEGORIES = ("cyber", "bio", "frontier_llm", "reasoning_extraction", "general_harms")
_ERROR_TYPES = ("overloaded_error", "api_error")
_OWN_KEYS: dict[str, frozenset[str]] = {
    "rate_429": frozenset({"retry_after_s"}),
    "ramp_429": frozenset({"retry_after_s"}),
    "overloaded_529": frozenset({"retry_after_s"}),
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
}
_COMMON_KEYS = frozenset({"kind", "from_s", "until_s", "calls", "share", "model"})


def load_faults(path: Path) -> tuple[Fault, ...]:
    """Read a script from a TOML file. Raises ValueError naming the entry, OSError if it cannot be read."""
    return read_faults(path.read_text(encoding="utf-8"))


def read_faults(text: str) -> tuple[Fault, ...]:
    """Read a script from TOML text. Raises ValueError naming the entry and what is allowed."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"fault script is not TOML: {error}") from error
    unknown = sorted(set(document) - {"fault"})
    if unknown:
        raise ValueError(f"fault script: unknown key {unknown[0]!r}; allowed: [[fault]] entries")
    return parse_faults(document.get("fault", []))


def parse_faults(entries: Any) -> tuple[Fault, ...]:
    """Check the entries of a script. Raises ValueError naming the entry and what is allowed."""
    if not isinstance(entries, list):
        raise ValueError("fault script: 'fault' must be a list; write each entry under [[fault]]")  # noqa: TRY004
    return tuple(_parse_fault(f"fault {number}", entry) for number, entry in enumerate(entries, start=1))


def _parse_fault(where: str, entry: Any) -> Fault:
    if not isinstance(entry, Mapping):
        raise ValueError(f"{where}: must be a table")  # noqa: TRY004
    kind = entry.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"{where}: kind {kind!r} is unknown; allowed: {', '.join(sorted(KINDS))}")
    allowed = _COMMON_KEYS | _OWN_KEYS.get(kind, frozenset())
    for key in entry:
        if key not in allowed:
            raise ValueError(f"{where} ({kind}): unknown key {key!r}; allowed: {', '.join(sorted(allowed))}")
    values = {key: _checked(f"{where} ({kind})", key, value) for key, value in entry.items()}
    fault = Fault(**values)
    if fault.until_s <= fault.from_s:
        raise ValueError(f"{where} ({kind}): until_s must be later than from_s ({fault.from_s:g})")
    return fault


def _checked(where: str, key: str, value: Any) -> Any:
    check, allowed = _CHECKS[key]
    if not check(value):
        raise ValueError(f"{where}: {key} = {value!r} is not allowed; give {allowed}")
    if key == "calls":
        return (value[0], value[1])
    return value


def _number(low: float, high: float = inf) -> Callable[[Any], bool]:
    return lambda value: (
        isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
    )


def _calls(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) == 2
        and all(_number(1)(bound) for bound in value)
        and value[0] <= value[1]
    )


_CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "kind": (lambda value: value in KINDS, "a known kind"),
    "from_s": (_number(0), "seconds from 0 up"),
    "until_s": (_number(0), "seconds from 0 up"),
    "calls": (_calls, "[first, last], counted from 1"),
    "share": (_number(0, 1), "a number from 0 to 1"),
    "model": (lambda value: isinstance(value, str), "a model id"),
    "retry_after_s": (lambda value: _number(1)(value) and isinstance(value, int), "whole seconds from 1 up"),
    "for_s": (_number(0), "seconds from 0 up"),
    "after_share": (_number(0, 1), "a number from 0 to 1"),
    "error_type": (lambda value: value in _ERROR_TYPES, " or ".join(_ERROR_TYPES)),
    "category": (lambda value: value in _CATEGORIES, " or ".join(_CATEGORIES)),
    "gap_s": (_number(0), "seconds from 0 up"),
    "offset_s": (_number(-inf), "seconds"),
    "factor": (_number(0), "a number from 0 up"),
}
assert set(_CHECKS) == {item.name for item in fields(Fault)}
