"""The fields around what is asked: lane, workflow, priority, times, dedupe key, metadata, trace."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from claudeflow.intake.catalog import Catalog
from claudeflow.intake.json_text import write
from claudeflow.intake.mistakes import Mistakes, did_you_mean, key_path, kind_of, listed, show
from claudeflow.intake.times import read_time

KNOWN_FIELDS = frozenset(
    {
        "request",
        "prompt",
        "input",
        "lane",
        "workflow",
        "priority",
        "deadline",
        "not_before",
        "dedupe_key",
        "metadata",
        "traceparent",
    }
)
_REQUEST_FIELDS = frozenset(
    {"model", "max_tokens", "messages", "system", "tools", "thinking", "output_config"}
)
_WORKFLOW = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII
)
_MOST_PRIORITY = 100
_LONGEST_DEDUPE_KEY = 200
_MOST_METADATA = 64
_MOST_METADATA_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Envelope:
    """The checked fields around `request` or `prompt`. None means that the producer left it open."""

    lane: str | None
    workflow: str | None
    priority: int
    not_before_ms: int
    deadline_ms: int | None
    dedupe_key: str | None
    metadata: Mapping[str, str]
    traceparent: str | None


def read_envelope(job: dict[str, Any], catalog: Catalog, now_ms: int, mistakes: Mistakes) -> Envelope:
    """Check everything but `request`, `prompt` and `input`; mistakes are noted, not raised."""
    _check_keys(job, mistakes)
    not_before_ms = read_time("not_before", job.get("not_before"), now_ms, mistakes)
    deadline_ms = read_time("deadline", job.get("deadline"), now_ms, mistakes)
    _check_deadline(deadline_ms, not_before_ms, now_ms, mistakes)
    return Envelope(
        lane=_read_lane(job.get("lane"), catalog, mistakes),
        workflow=_read_pattern("workflow", job.get("workflow"), _WORKFLOW, _WORKFLOW_FORM, mistakes),
        priority=_read_priority(job.get("priority"), mistakes),
        not_before_ms=not_before_ms or 0,
        deadline_ms=deadline_ms,
        dedupe_key=_read_dedupe_key(job.get("dedupe_key"), mistakes),
        metadata=_read_metadata(job.get("metadata"), mistakes),
        traceparent=_read_pattern("traceparent", job.get("traceparent"), _TRACEPARENT, _TRACE_FORM, mistakes),
    )


_WORKFLOW_FORM = "must be 1 to 64 of a-z, 0-9, dot, underscore and hyphen, beginning with a letter or digit"
_TRACE_FORM = 'must be a W3C trace context like "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"'


def read_place(fields: dict[str, Any], catalog: Catalog, mistakes: Mistakes) -> tuple[str | None, int | None]:
    """The lane and priority that a job is to be moved to; None leaves them."""
    for name in fields.keys() - {"lane", "priority"}:
        mistakes.add(key_path("", name), "cannot be changed; a job can be given another lane and priority")
    lane, priority = fields.get("lane"), fields.get("priority")
    if lane is None and priority is None:
        mistakes.add("lane", 'is missing; send {"lane": …}, {"priority": …} or both')
    known_lane = _read_lane(lane, catalog, mistakes)
    return known_lane, None if priority is None else _read_priority(priority, mistakes)


def _check_keys(job: dict[str, Any], mistakes: Mistakes) -> None:
    for key in job.keys() - KNOWN_FIELDS:
        if key in _REQUEST_FIELDS:
            hint = " It belongs into `request`; in a prompt job the template sets it."
        else:
            hint = did_you_mean(key, KNOWN_FIELDS) or f" Known fields: {listed(KNOWN_FIELDS)}."
        mistakes.add(key_path("", key), f"is not a field of a job.{hint}")


def _read_lane(lane: Any, catalog: Catalog, mistakes: Mistakes) -> str | None:
    if lane is None or (isinstance(lane, str) and lane in catalog.lanes):
        return lane
    hint = did_you_mean(lane, catalog.lanes) if isinstance(lane, str) else ""
    mistakes.add("lane", f"found {show(lane)}; lanes are {listed(catalog.lanes)}.{hint}")
    return None


def _read_pattern(
    field: str, value: Any, pattern: re.Pattern[str], form: str, mistakes: Mistakes
) -> str | None:
    if value is None or (isinstance(value, str) and pattern.fullmatch(value)):
        return value
    mistakes.add(field, f"{form}, found {show(value)}")
    return None


def _read_priority(priority: Any, mistakes: Mistakes) -> int:
    if priority is None:
        return 0
    if isinstance(priority, int) and not isinstance(priority, bool) and abs(priority) <= _MOST_PRIORITY:
        return priority
    mistakes.add(
        "priority", f"must be an integer from -100 to 100 (higher goes first), found {show(priority)}"
    )
    return 0


def _read_dedupe_key(key: Any, mistakes: Mistakes) -> str | None:
    if key is None:
        return None
    if not isinstance(key, str) or not 1 <= len(key) <= _LONGEST_DEDUPE_KEY:
        found = f"a string of {len(key):,}" if isinstance(key, str) and key else kind_of(key)
        mistakes.add(
            "dedupe_key", f"must be a string of 1 to {_LONGEST_DEDUPE_KEY} characters, found {found}"
        )
        return None
    if not key.isprintable():
        mistakes.add("dedupe_key", "has control characters or half characters; use printable text")
        return None
    return key


def _read_metadata(metadata: Any, mistakes: Mistakes) -> Mapping[str, str]:
    if metadata is None:
        return {}
    if not isinstance(metadata, dict):
        mistakes.add("metadata", f"must be an object of strings, found {kind_of(metadata)}")
        return {}
    wrong = [key for key, value in metadata.items() if not isinstance(value, str)]
    for key in wrong:
        mistakes.add(
            key_path("metadata", key), f"must be a string, found {kind_of(metadata[key])}; write it as text"
        )
    if len(metadata) > _MOST_METADATA:
        mistakes.add("metadata", f"has {len(metadata)} entries; keep {_MOST_METADATA} at most")
    if wrong:
        return {}
    size = len(write("metadata", metadata, mistakes))
    if size > _MOST_METADATA_BYTES:
        mistakes.add("metadata", f"is {size:,} bytes of JSON; keep it within {_MOST_METADATA_BYTES:,}")
    return metadata


def _check_deadline(
    deadline_ms: int | None, not_before_ms: int | None, now_ms: int, mistakes: Mistakes
) -> None:
    if deadline_ms is None:
        return
    if deadline_ms <= now_ms:
        mistakes.add("deadline", "is in the past; choose a later one, or drop it")
    elif not_before_ms is not None and deadline_ms <= not_before_ms:
        mistakes.add("deadline", "is not after not_before, so the job could never run; move one of them")
