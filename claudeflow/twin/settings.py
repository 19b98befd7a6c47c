"""Everything that can be set about a twin."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from math import inf
from typing import Any

from claudeflow.twin.fault_script import parse_faults
from claudeflow.twin.faults import TAKES_TIME, Fault
from claudeflow.twin.headers import FAMILIES
from claudeflow.twin.tiers import START, TIERS, Limits, limits_of


@dataclass(frozen=True, slots=True, kw_only=True)
class TwinSettings:
    """One value that makes a twin. With the defaults it answers at once and never fails.

    - `rpm`, `itpm`, `otpm`: limits a minute for every pool, instead of the tier's
    - `burst_s`: also enforce the limits over windows this long, as the API may
    - `ramp_start_rpm`, `ramp_growth`: refuse faster acceleration than this factor from one minute to the next
    - `max_in_flight`: refuse more calls than this at once
    - `flight_s`: calls this soon after a 429 do not count as early, because they were on their way
    - `spend_cap_nanousd`: refuse everything once this much was billed
    - `header_families`: `all`, `nine` (no requests), `six` (requests and tokens), `none`
    - `ttft_s`, `tokens_per_s`: medians of time to first token and speed; 0 means at once
    - `latency_sigma`, `reply_sigma`: spread of the log-normal distributions
    - `reply_tokens`: median length of an answer in prose
    - `keys`: accepted API keys; empty accepts any
    - `epoch_s`: the date at which the twin's clock starts; None is the machine's
    """

    tier: str = START
    rpm: int | None = None
    itpm: int | None = None
    otpm: int | None = None
    burst_s: float | None = None
    ramp_start_rpm: int | None = None
    ramp_growth: float = 2.0
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
    keys: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    organization_id: str = "00000000-0000-4000-8000-000000000001"
    epoch_s: float | None = None

    def __post_init__(self) -> None:
        """Raises ValueError naming the field and what is allowed."""
        if self.tier not in TIERS:
            raise ValueError(f"tier {self.tier!r} is unknown; allowed: {', '.join(TIERS)}")
        if self.header_families not in FAMILIES:
            raise ValueError(f"header_families {self.header_families!r}; allowed: {', '.join(FAMILIES)}")
        for name in ("rpm", "itpm", "otpm", "burst_s", "ramp_start_rpm", "max_in_flight"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} must be above 0, got {value}")
        for name in ("ttft_s", "tokens_per_s", "latency_sigma", "reply_sigma"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be below 0, got {getattr(self, name)}")
        for name in ("reply_tokens", "tokens_per_event", "ping_interval_s", "ramp_growth"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")

    @property
    def instant(self) -> bool:
        """True when no answer takes any time."""
        return self.ttft_s == 0.0 and self.tokens_per_s == 0.0

    def limits_of(self, pool: str) -> Limits:
        """The limits in force for a pool."""
        tier = limits_of(self.tier, pool)
        return Limits(self.rpm or tier.rpm, self.itpm or tier.itpm, self.otpm or tier.otpm)


def takes_time(settings: TwinSettings, faults: tuple[Fault, ...]) -> bool:
    """Whether any answer may take time, so that a client can leave before its end."""
    return not settings.instant or any(fault.kind in TAKES_TIME for fault in faults)


def settings_to_json(settings: TwinSettings) -> dict[str, Any]:
    """A plain value from which `settings_from_json` makes the same settings."""
    document = asdict(settings)
    document["faults"] = [_fault_to_json(fault) for fault in settings.faults]
    return document


def settings_from_json(document: dict[str, Any]) -> TwinSettings:
    """Inverse of `settings_to_json`; raises ValueError for unknown or wrong values."""
    known = {item.name for item in fields(TwinSettings)}
    unknown = sorted(set(document) - known)
    if unknown:
        raise ValueError(f"unknown setting {unknown[0]!r}; allowed: {', '.join(sorted(known))}")
    values = dict(document)
    values["keys"] = tuple(values.get("keys", ()))
    values["faults"] = parse_faults(values.get("faults", []))
    return TwinSettings(**values)


def _fault_to_json(fault: Fault) -> dict[str, Any]:
    plain = Fault(fault.kind)
    document: dict[str, Any] = {"kind": fault.kind}
    for item in fields(Fault):
        value = getattr(fault, item.name)
        if value != getattr(plain, item.name):
            document[item.name] = value
    if "calls" in document and document["calls"][1] == inf:
        document["calls"] = [document["calls"][0], 2**53]
    return document
