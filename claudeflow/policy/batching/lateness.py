"""Lateness: by when a job must be on its way in a batch, and when it is called back from one.

Moments are epoch ms. Before a deadline two times are kept free: `comeback_s`, in which Messages can still
answer, and before that what batches take, with a margin. No batch takes longer than a day.
"""

from __future__ import annotations

from collections.abc import Iterable

from claudeflow.policy.batching.settings import DAY_S, BatchSettings


def late_at_ms(deadline_ms: int, settings: BatchSettings) -> int:
    """From when on a job is late that has no answer from its batch."""
    return deadline_ms - round(1000 * settings.comeback_s)


def needed_s(completion_s: float, settings: BatchSettings) -> float:
    """How long a batch must be given, when batches usually take `completion_s`."""
    return min(DAY_S, settings.margin * completion_s)


def leave_by_ms(deadline_ms: int, completion_s: float, settings: BatchSettings) -> int:
    """The last moment at which a batch may be created so that the job is probably not late."""
    return late_at_ms(deadline_ms, settings) - round(1000 * needed_s(completion_s, settings))


def next_look_ms(deadlines_ms: Iterable[int | None], settings: BatchSettings) -> int | None:
    """When the first of those that are still in a batch becomes late; None: none ever does."""
    return min((late_at_ms(at_ms, settings) for at_ms in deadlines_ms if at_ms is not None), default=None)


def should_cancel(left: int, unbooked: int) -> bool:
    """Whether the API should stop a batch: jobs wait for no more than half of its `unbooked` requests.

    Those of the other `left` have left it or were cancelled. What the API has answered by then, of either
    kind, is paid for all the same; what is stopped and still waited for is routed again.
    """
    return 0 < unbooked <= 2 * left
