"""Everything that can be set about a twin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from math import inf
from typing import Any

from claudeflow.twin.changes import Change, parse_changes
from claudeflow.twin.consumers import Consumer, parse_consumers
from claudeflow.twin.entries import entry_of
from claudeflow.twin.fault_script import parse_faults
from claudeflow.twin.faults import TAKES_TIME, Fault
from claudeflow.twin.headers import FAMILIES
from claudeflow.twin.pool import PoolRules
from claudeflow.twin.tiers import START, TIERS, Limits, WorkspaceLimits, limits_of

_TOKENS_FAMILY = "tokens"
_CHOICES: dict[str, tuple[str, ...]] = {
    "tier": TIERS,
    "header_families": tuple(FAMILIES),
    "workspace_headers": (_TOKENS_FAMILY, "every"),
}
_ABOVE_ZERO_IF_GIVEN = (
    "rpm", "itpm", "otpm", "burst_s", "ramp_start_rpm", "max_in_flight", "workspace_rpm", "workspace_itpm",
    "workspace_otpm", "workspace_tpm", "priority_itpm", "priority_otpm", "batch_rpm", "batch_queued",
)  # fmt: skip
_NOT_BELOW_ZERO = (
    "ttft_s", "tokens_per_s", "latency_sigma", "reply_sigma", "report_delay_s", "report_lost_share",
    "batch_start_s", "batch_item_s", "batch_hidden_s", "batch_cache_hit_share",
)  # fmt: skip
_ABOVE_ZERO = ("reply_tokens", "tokens_per_event", "ping_interval_s", "ramp_growth", "batch_concurrency")


@dataclass(frozen=True, slots=True, kw_only=True)
class TwinSettings:
    """One value that makes a twin. With the defaults it answers at once and never fails.

    - `rpm`, `itpm`, `otpm`: limits a minute for every pool, instead of the tier's
    - `burst_s`: also enforce the limits over windows this long, as the API may
    - `ramp_start_rpm`, `ramp_growth`: refuse faster acceleration than this factor from one minute to the next
    - `workspace_rpm`, `workspace_itpm`, `workspace_otpm`, `workspace_tpm`: lower limits of the workspace that
      all keys belong to, for every pool; the last bounds input and output together
    - `workspace_headers`: where a tighter limit of the workspace shows: in the combined `tokens` family
      alone, or in `every` family
    - `priority_itpm`, `priority_otpm`: a Priority Tier commitment for the models that may have one
    - `max_in_flight`: refuse more calls than this at once
    - `flight_s`: calls this soon after a 429 do not count as early, because they were on their way
    - `spend_cap_nanousd`: refuse everything once this much was billed
    - `header_families`: `all`, `nine` (no requests), `six` (requests and tokens), `none`
    - `ttft_s`, `tokens_per_s`: medians of time to first token and speed; 0 means at once
    - `latency_sigma`, `reply_sigma`: spread of the log-normal distributions
    - `reply_tokens`: median length of an answer in prose
    - `tokens_per_event`: tokens in one event of a stream; a stream that takes time has a timer for each
    - `batch_start_s`: how long after its creation the work on a batch begins
    - `batch_item_s`, `batch_concurrency`: median seconds that a wave of a batch takes, and its items; 0 means
      at once
    - `batch_hidden_s`: how long after its creation a batch is in the list, but asking for it gives 404
    - `batch_cache_hit_share`: the share of items in batches that find what the cache holds
    - `batch_rpm`, `batch_queued`: limits of the batch endpoints, instead of the tier's: calls a minute, and
      requests in batches that wait to be answered
    - `keys`, `admin_keys`: accepted API keys, and those of the Admin API; empty accepts any
    - `report_delay_s`: how long after its end a call appears in usage and cost reports
    - `report_lost_share`: the share of calls that reports miss
    - `analytics`: whether the organisation has the recommended reports, or the legacy ones alone
    - `faults`, `consumers`, `changes`: the sections of a script; times count from the twin's start
    - `epoch_s`: the date at which the twin's clock starts; None is the machine's
    """

    tier: str = START
    rpm: int | None = None
    itpm: int | None = None
    otpm: int | None = None
    burst_s: float | None = None
    ramp_start_rpm: int | None = None
    ramp_growth: float = 2.0
    workspace_rpm: int | None = None
    workspace_itpm: int | None = None
    workspace_otpm: int | None = None
    workspace_tpm: int | None = None
    workspace_headers: str = _TOKENS_FAMILY
    priority_itpm: int | None = None
    priority_otpm: int | None = None
    max_in_flight: int | None = None
    flight_s: float = 0.0
    spend_cap_nanousd: int | None = None
    header_families: str = "all"
    ttft_s: float = 0.0
    tokens_per_s: float = 0.0
    latency_sigma: float = 0.25
    reply_tokens: int = 150
    reply_sigma: float = 0.6
    ping_interval_s: float = 10.0
    tokens_per_event: int = 12
    seed: int = 0
    batch_start_s: float = 0.0
    batch_item_s: float = 0.0
    batch_concurrency: int = 100
    batch_hidden_s: float = 0.0
    batch_cache_hit_share: float = 1.0
    batch_rpm: int | None = None
    batch_queued: int | None = None
    keys: tuple[str, ...] = ()
    admin_keys: tuple[str, ...] = ()
    report_delay_s: float = 300.0
    report_lost_share: float = 0.0
    analytics: bool = True
    faults: tuple[Fault, ...] = ()
    consumers: tuple[Consumer, ...] = ()
    changes: tuple[Change, ...] = ()
    organization_id: str = "00000000-0000-4000-8000-000000000001"
    epoch_s: float | None = None

    def __post_init__(self) -> None:
        """Raises ValueError naming the field and what is allowed."""
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} {getattr(self, name)!r} is unknown; allowed: {', '.join(allowed)}")
        if (self.priority_itpm is None) is not (self.priority_otpm is None):
            raise ValueError("priority_itpm and priority_otpm: give both or neither")
        for name in _ABOVE_ZERO_IF_GIVEN:
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} must be above 0, got {value}")
        for name in _NOT_BELOW_ZERO:
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be below 0, got {getattr(self, name)}")
        for name in _ABOVE_ZERO:
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")

    @property
    def instant(self) -> bool:
        """True when no answer takes any time."""
        return self.ttft_s == 0.0 and self.tokens_per_s == 0.0

    @property
    def pool_rules(self) -> PoolRules:
        """What all pools have in common."""
        tells_workspace = self.workspace_headers != _TOKENS_FAMILY
        return PoolRules(self.burst_s, self.ramp_start_rpm, self.ramp_growth, tells_workspace)

    @property
    def workspace_limits(self) -> WorkspaceLimits:
        """The limits of the workspace."""
        return WorkspaceLimits(
            self.workspace_rpm, self.workspace_itpm, self.workspace_otpm, self.workspace_tpm
        )

    def limits_of(self, pool: str) -> Limits:
        """The limits of a pool at the start."""
        tier = limits_of(self.tier, pool)
        return Limits(self.rpm or tier.rpm, self.itpm or tier.itpm, self.otpm or tier.otpm)


def takes_time(settings: TwinSettings, faults: tuple[Fault, ...]) -> bool:
    """Whether any answer may take time, so that a client can leave before its end."""
    return not settings.instant or any(fault.kind in TAKES_TIME for fault in faults)


def settings_to_json(settings: TwinSettings) -> dict[str, Any]:
    """A plain value from which `settings_from_json` makes the same settings."""
    document: dict[str, Any] = {item.name: getattr(settings, item.name) for item in fields(settings)}
    for section in _SECTIONS:
        document[section] = [entry_of(value) for value in document[section]]
    for entry in document["faults"]:
        if "calls" in entry and entry["calls"][1] == inf:
            entry["calls"] = [entry["calls"][0], 2**53]
    return document


def settings_from_json(document: dict[str, Any]) -> TwinSettings:
    """Inverse of `settings_to_json`; raises ValueError for unknown or wrong values."""
    known = {item.name for item in fields(TwinSettings)}
    unknown = sorted(set(document) - known)
    if unknown:
        raise ValueError(f"unknown setting {unknown[0]!r}; allowed: {', '.join(sorted(known))}")
    values = dict(document)
    for name in ("keys", "admin_keys"):
        values[name] = tuple(values.get(name, ()))
    for section, parse in _SECTIONS.items():
        values[section] = parse(values.get(section, []))
    return TwinSettings(**values)


_SECTIONS: dict[str, Callable[[Any], tuple[Any, ...]]] = {
    "faults": parse_faults,
    "consumers": parse_consumers,
    "changes": parse_changes,
}
