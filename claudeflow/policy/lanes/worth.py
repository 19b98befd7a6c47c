"""Worth: what a call counts when lanes and workflows share a pool."""

from __future__ import annotations

from claudeflow.domain.quota import Demand

OUTPUT_WORTH = 5.0
"""Output costs five times the input for every model on the price list."""


def worth_of(demand: Demand) -> float:
    """What a call is worth to its lane and workflow: its tokens, by their price."""
    return demand.input_tokens + OUTPUT_WORTH * demand.output_tokens
