"""Patience: when a batch, or what it should have brought, is given up. Moments are epoch ms.

Whatever is given up may have been billed and is asked for once more, so only what cannot come any more is.
An endpoint that fails says nothing of a batch, and is asked for as long as it takes.
"""

from __future__ import annotations

MISSING_MS = 3_600_000
"""A batch may be unknown for a while (404), as right after its creation."""

NO_RESULT_MS = 86_400_000
"""Requests that complete results have not named for so long will not be named."""


def is_gone(missing_since_ms: int, expires_ms: int | None, now_ms: int) -> bool:
    """Whether a batch that the API does not know is given up.

    Until it expires the API may be answering it still: somebody with another workspace's key, say, is told
    that there is no such batch.
    """
    return now_ms - missing_since_ms >= MISSING_MS and now_ms >= (expires_ms or 0)


def never_come(told_since_ms: int, now_ms: int) -> bool:
    """Whether requests are given up that the results have not named since then."""
    return now_ms - told_since_ms >= NO_RESULT_MS
