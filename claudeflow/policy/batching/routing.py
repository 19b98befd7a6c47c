"""Routing: whether a job goes to a batch or to Messages.

A batch is a wish for its price and never a reason to miss a deadline. Whatever comes back unanswered used
up no attempt: it is routed again, and not sent to batches for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from claudeflow.domain.batch import ItemKind
from claudeflow.domain.usage import Terms
from claudeflow.domain.words import plural, span
from claudeflow.policy.batching.lateness import leave_by_ms, needed_s
from claudeflow.policy.batching.settings import BatchPolicy, BatchSettings

MOST_RETURNS: Mapping[BatchPolicy, int] = {"never": 0, "slack": 0, "always": 1}
"""How often a job may have come back from batches and still go to another."""

_REFUSED = ("speed", "fallbacks", "cache_hint", "context_hint")


@dataclass(frozen=True, slots=True)
class JobFacts:
    """What a job's route depends on.

    `size_bytes` is what its request takes in an upload, `terms` are bits of `usage.Terms`, `refused` names
    what else of it the API takes in no batch. `returned` is how often one gave it back unanswered: expired,
    canceled or late.
    """

    size_bytes: int
    deadline_ms: int | None = None
    terms: int = 0
    refused: str | None = None
    returned: int = 0


@dataclass(frozen=True, slots=True)
class Route:
    """Where a job goes, and why in words."""

    batched: bool
    why: str


@dataclass(frozen=True, slots=True)
class Requeue:
    """A job goes back to the queue without having used up an attempt.

    `returned` is how often it has now come back from a batch; `why` is what happened and where it goes.
    """

    returned: int
    batched: bool
    why: str


def route(
    policy: BatchPolicy, facts: JobFacts, completion_s: float, now_ms: int, settings: BatchSettings
) -> Route:
    """Where a job of a lane with this policy goes, when batches usually take `completion_s`."""
    obstacle = _obstacle(policy, facts, settings)
    if obstacle is not None:
        return Route(False, obstacle)
    wish = "its lane prefers batches"
    if facts.deadline_ms is None:
        return Route(True, wish if policy == "always" else "it has no deadline")
    may_wait_ms = 0 if policy == "always" else round(1000 * settings.max_age_s)
    spare_ms = leave_by_ms(facts.deadline_ms, completion_s, settings) - may_wait_ms - now_ms
    if spare_ms < 0:
        left, needed = span((facts.deadline_ms - now_ms) / 1000), span(needed_s(completion_s, settings))
        return Route(False, f"its deadline is in {left}, too soon for a batch, which is given {needed}")
    return Route(True, wish if policy == "always" else "its deadline leaves time for a batch")


def route_again(
    policy: BatchPolicy,
    facts: JobFacts,
    completion_s: float,
    now_ms: int,
    settings: BatchSettings,
    *,
    ended: Literal[ItemKind.CANCELED, ItemKind.EXPIRED],
) -> Requeue:
    """What becomes of a job whose item `ended` like this; `facts.returned` does not count it yet."""
    facts = replace(facts, returned=facts.returned + 1)
    again = route(policy, facts, completion_s, now_ms, settings)
    where = "the next batch" if again.batched else "Messages"
    return Requeue(facts.returned, again.batched, f"it {_ENDED[ended]}; it goes to {where}: {again.why}")


def refused_in_batches(body: Mapping[str, Any]) -> str | None:
    """What in a request the API takes in Messages but in no batch (Message Batches); None: nothing.

    `stream` is not among it: that is ours to leave out.
    """
    if body.get("max_tokens") == 0:
        return "max_tokens: 0"
    return next((name for name in _REFUSED if body.get(name) is not None), None)


_ENDED: Mapping[ItemKind, str] = {
    ItemKind.CANCELED: "was stopped with its batch",
    ItemKind.EXPIRED: "expired in its batch",
}


def _obstacle(policy: BatchPolicy, facts: JobFacts, settings: BatchSettings) -> str | None:
    """Why the job may go to no batch, however much time it has."""
    if policy == "never":
        return "its lane uses no batches"
    refused = "speed" if facts.terms & Terms.FAST else facts.refused
    if refused is not None:
        return f"the API takes no request with `{refused}` in a batch"
    if facts.size_bytes > settings.max_bytes:
        return f"it has {facts.size_bytes:,} bytes, and a batch takes {settings.max_bytes:,}"
    if facts.returned > MOST_RETURNS[policy]:
        return f"it has come back unanswered from {plural(facts.returned, 'batch', 'batches')}"
    return None
