"""Drawn: what a call that has ended drew from the server's buckets."""

from __future__ import annotations

from claudeflow.domain.attempt import Reply
from claudeflow.domain.quota import Demand


def is_fast(reply: Reply) -> bool:
    """Fast mode has limits of its own: its calls neither draw on the pool's nor tell of them."""
    return reply.usage.speed == "fast"


def drawn_by(reply: Reply, demand: Demand) -> Demand:
    """What the call drew.

    A call whose usage is unknown is believed to have drawn what was expected. Rejected requests
    still count as requests (undocumented: the safe side).
    """
    if not reply.sent:
        return Demand(0.0, 0.0, 0.0)
    if not reply.usage_known:
        return demand
    if is_fast(reply):
        return Demand(0.0, 0.0)
    return Demand(reply.usage.charged_input_tokens, reply.usage.output_tokens)
