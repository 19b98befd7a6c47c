"""Published numbers of the Message Batches API."""

from __future__ import annotations

from dataclasses import dataclass

from claudeflow.twin.tiers import BUILD, EVALUATION, SCALE, START

PATH = "/v1/messages/batches"
MAX_REQUESTS = 100_000
MAX_BODY_BYTES = 256 * 1024 * 1024
LIFETIME_S = 86_400
KEPT_S = 29 * 86_400
"""Results are kept for so long after the creation."""


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """Requests a minute over all endpoints, and requests of all batches that wait to be answered."""

    rpm: int
    queued: int


# The evaluation tier's numbers are not published; these are the smallest that ever were.
LIMITS: dict[str, BatchLimits] = {
    EVALUATION: BatchLimits(50, 100_000),
    START: BatchLimits(1_000, 200_000),
    BUILD: BatchLimits(2_000, 300_000),
    SCALE: BatchLimits(4_000, 500_000),
}
