"""Batches: what can be set for Message Batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Le

BatchPolicy = Literal["never", "slack", "always"]
"""Which jobs of a lane go to batches: none, those whose deadline leaves time for it, or all that can."""

MOST_REQUESTS = 100_000
"""What the API takes in one batch (Message Batches)."""

MOST_BYTES = 250_000_000
"""The API takes 256 MB in one batch: some of it is left for what stands around the requests."""

DAY_S = 86_400.0
"""A batch ends a day after it was created: what is not answered by then has expired (Message Batches)."""


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """Message Batches: half the price, an answer within a day.

    A batch leaves with `max_requests` or `max_bytes` (memory for a few times that is needed), and in any
    case when its first job has waited for `max_age_s`. `poll_s` is how often a batch is looked at.
    `requests_per_min` bounds our requests to all endpoints of batches together, `max_queued` the job
    requests in all unfinished batches. A job with a deadline goes to a batch when `margin` times what
    batches usually take fits before it, and comes back when it has no answer `comeback_s` before it.
    `warm_up_patience_s` is how long a batch waits for the request that writes its prefix ahead of it
    (0: none waits).
    """

    max_requests: Annotated[int, Ge(1), Le(MOST_REQUESTS)] = 10_000
    max_bytes: Annotated[int, Ge(1), Le(MOST_BYTES)] = 25_165_824
    max_age_s: Annotated[float, Ge(0), Le(DAY_S)] = 300.0
    poll_s: Annotated[float, Ge(1), Le(3_600)] = 30.0
    requests_per_min: Annotated[int, Ge(1)] = 500
    max_queued: Annotated[int, Ge(1)] = 100_000
    margin: Annotated[float, Ge(1)] = 1.5
    comeback_s: Annotated[float, Ge(0), Le(DAY_S)] = 900.0
    warm_up_patience_s: Annotated[float, Ge(0), Le(3_600)] = 600.0
