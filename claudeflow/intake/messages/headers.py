"""What a Messages request says in its headers: to claudeflow (`x-claudeflow-*`), and to the API."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from claudeflow.domain.job import Dialect
from claudeflow.intake.catalog import Catalog
from claudeflow.intake.envelope import Envelope, read_envelope
from claudeflow.intake.mistakes import Mistakes, did_you_mean, listed, refuse, show

OURS = "x-claudeflow-"
LANE, WORKFLOW, DEADLINE, PRIORITY = "lane", "workflow", "deadline", "priority"
MAX_WAIT = "max-wait"
_KNOWN = frozenset(OURS + name for name in (LANE, WORKFLOW, DEADLINE, PRIORITY, MAX_WAIT))
_PASSED_ON = ("anthropic-version", "anthropic-beta", "anthropic-user-profile-id")
_LONGEST_PASSED = 4_096
_LONGEST_QUERY = 1_024

_WAIT = re.compile(r"(?P<amount>\d{1,7}(?:\.\d{1,3})?)(?P<unit>ms|s|m|h)?", re.ASCII)
_UNIT_S = {"ms": 0.001, None: 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
_LONGEST_WAIT_S = 86_400.0
_PRIORITY = re.compile(r"[+-]?\d{1,3}", re.ASCII)


def read_ours(headers: Mapping[str, str], catalog: Catalog, now_ms: int, mistakes: Mistakes) -> Envelope:
    """Lane, workflow, deadline, priority and trace. Names in lower case; mistakes are noted, not raised."""
    for name in headers:
        if name.startswith(OURS) and name not in _KNOWN:
            hint = did_you_mean(name, _KNOWN) or f" Known are {listed(_KNOWN)}."
            mistakes.add(show(name), f"is not a header here.{hint}")
    fields: dict[str, Any] = {
        name: headers[OURS + name] for name in (LANE, WORKFLOW, DEADLINE) if OURS + name in headers
    }
    if "traceparent" in headers:
        fields["traceparent"] = headers["traceparent"]
    priority = headers.get(OURS + PRIORITY)
    if priority is not None:
        fields[PRIORITY] = int(priority) if _PRIORITY.fullmatch(priority) else priority
    found = Mistakes()
    envelope = read_envelope(fields, catalog, now_ms, found)
    for mistake in found.kept:
        is_trace = mistake.field == "traceparent"
        mistakes.add(mistake.field if is_trace else OURS + mistake.field, mistake.message)
    return envelope


def read_max_wait_s(headers: Mapping[str, str], mistakes: Mistakes) -> float | None:
    """How long the caller lets its call wait before it leaves; None where it does not say."""
    name = OURS + MAX_WAIT
    value = headers.get(name)
    if value is None:
        return None
    match = _WAIT.fullmatch(value.strip())
    seconds = float(match["amount"]) * _UNIT_S[match["unit"]] if match else -1.0
    if 0 <= seconds <= _LONGEST_WAIT_S:
        return seconds
    mistakes.add(
        name, f'must be seconds or a time like "500ms", "30s", "5m", up to "24h", found {show(value)}'
    )
    return None


def read_dialect(headers: Mapping[str, str], query: str) -> Dialect:
    """What goes on to the API as it came. Raises InvalidJob when it is longer than any that makes sense."""
    for name in _PASSED_ON:
        if len(headers.get(name, "")) > _LONGEST_PASSED:
            raise refuse(name, f"is longer than {_LONGEST_PASSED:,} characters; send fewer")
    if len(query) > _LONGEST_QUERY:
        raise refuse("query", f"is longer than {_LONGEST_QUERY:,} characters; send less")
    return Dialect({name: headers[name] for name in _PASSED_ON if name in headers}, query)
