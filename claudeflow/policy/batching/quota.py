"""Quota: how fast the endpoints of batches may be asked.

Batches have limits of their own, one for requests to all endpoints and one for the job requests that wait
in unfinished batches (Rate limits). Their answers carry no rate-limit headers, so the pace is ours, and
trouble pauses all of it.
"""

from __future__ import annotations

from claudeflow.policy.batching.settings import BatchSettings
from claudeflow.policy.limits.bucket import SECONDS_PER_MINUTE, Bucket, Pace
from claudeflow.policy.retries.retry import LATE_S, LATE_SHARE, RetrySettings, backoff_bound_s

BURST = 5.0
"""So many requests may go at once."""

BACKOFF = RetrySettings(base_s=5.0, cap_s=300.0)


class BatchQuota:
    """The pace of our requests about batches. Times are monotonic seconds."""

    def __init__(self, settings: BatchSettings, now: float) -> None:
        self._settings = settings
        self._bucket = Bucket(settings.requests_per_min, _pace(settings), now)
        self._paused_until = float("-inf")
        self._troubles_in_a_row = 0

    def reconfigure(self, settings: BatchSettings, now: float) -> None:
        """New settings hold from now on."""
        self._settings = settings
        self._bucket.adopt_limit(settings.requests_per_min, now)
        self._bucket.repace(_pace(settings), now)

    def may_call(self, now: float) -> float:
        """In how many seconds a request may go; 0: at once."""
        return max(self.paused_for_s(now), self._bucket.ready_at(1.0, 0.0, now) - now)

    def called(self, now: float) -> None:
        """A request goes out."""
        self._bucket.take(1.0, now)

    def answered(self) -> None:
        """A request did what it was to do."""
        self._troubles_in_a_row = 0

    def troubled(self, retry_after_s: float | None, now: float, jitter: float) -> float:
        """A request met a 429, an overload or a broken line: how long none goes now. `jitter` is in [0, 1).

        `retry_after_s` is a floor. Pauses grow by troubles in a row; what was out already when a pause began
        is none of them, and can only make it longer.
        """
        if now >= self._paused_until:
            self._troubles_in_a_row += 1
        floor_s = retry_after_s or 0.0
        growing_s = backoff_bound_s(max(0, self._troubles_in_a_row - 1), BACKOFF)
        self.stay_paused(floor_s + jitter * max(min(LATE_S, LATE_SHARE * floor_s), growing_s), now)
        return self.paused_for_s(now)

    def paused_for_s(self, now: float) -> float:
        """What is left of the pause, for whoever starts after us as well."""
        return max(0.0, self._paused_until - now)

    def stay_paused(self, for_s: float, now: float) -> None:
        """An earlier process was told to wait: what is left of that holds for us."""
        self._paused_until = max(self._paused_until, now + for_s)

    def room(self, unfinished: int) -> int:
        """How many more job requests may go out while batches that have not ended hold `unfinished`."""
        return max(0, self._settings.max_queued - unfinished)


def _pace(settings: BatchSettings) -> Pace:
    return Pace(1.0, BURST * SECONDS_PER_MINUTE / settings.requests_per_min)
