"""What a pool's pace is made of: the limits that are assumed at first, and how they are kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Ge

from claudeflow.domain.quota import Axis
from claudeflow.policy.limits.ceiling import CeilingSettings
from claudeflow.policy.limits.gate import GateSettings
from claudeflow.policy.limits.margin import MarginSettings


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """The limits to assume until headers name the real ones, per minute."""

    requests: Annotated[int, Ge(1)] = 1_000
    input_tokens: Annotated[int, Ge(1)] = 2_000_000
    output_tokens: Annotated[int, Ge(1)] = 400_000

    def on(self, axis: Axis) -> int:
        """The limit of one axis."""
        return int(getattr(self, axis.value))


@dataclass(frozen=True, slots=True)
class LimiterSettings:
    """How a pool is paced. `cold_in_flight` bounds calls until the first answer of an unknown pool."""

    cold_in_flight: Annotated[int, Ge(1)] = 2
    margin: MarginSettings = field(default_factory=MarginSettings)
    gate: GateSettings = field(default_factory=GateSettings)
    ceiling: CeilingSettings = field(default_factory=CeilingSettings)
