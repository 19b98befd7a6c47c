"""Completion: how long batches take from their creation to their end.

Most take minutes, some hours: a deadline needs a high quantile and not a mean. Recent batches weigh more,
for it is the load of the API that decides.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import accumulate

FIRST_GUESS_S = 3_600.0
"""Most batches take less (Message Batches). It counts as one batch before all that were seen."""

QUANTILE = 0.9
REMEMBERED = 32
MEMORY = 0.95
"""What the weight of a batch becomes with each one after it."""


class CompletionBook:
    """The durations of the last batches. Warm-ups do not belong here: they are smaller than any batch."""

    def __init__(self) -> None:
        self._took_s: deque[float] = deque(maxlen=REMEMBERED)

    def ended(self, took_s: float, *, canceled: bool = False) -> None:
        """A batch ended `took_s` after its creation; expired ones too, for they took a day.

        One that was `canceled` would have taken longer: it counts only if it is news that one takes so long.
        """
        took_s = max(0.0, took_s)
        if not canceled or took_s > self._usual_s():
            self._took_s.append(took_s)

    def expected_s(self, running_for_s: Iterable[float] = ()) -> float:
        """What a new batch should be expected to take.

        Those that run already, for `running_for_s` each, may show that it is longer than it used to be.
        """
        return max(self._usual_s(), *running_for_s, 0.0)

    def memory(self) -> list[float]:
        """What is worth keeping over a restart, as plain JSON values."""
        return list(self._took_s)

    def recall(self, memory: Iterable[float]) -> None:
        """Take up what an earlier process had learned."""
        self._took_s.extend(memory)

    def _usual_s(self) -> float:
        oldest_first = [FIRST_GUESS_S, *self._took_s]
        weights = [MEMORY**age for age in range(len(oldest_first))]
        longest_first = sorted(zip(oldest_first, reversed(weights), strict=True), reverse=True)
        passed = accumulate(weight for _, weight in longest_first)
        above = (1.0 - QUANTILE) * sum(weights)
        return next(
            took_s for (took_s, _), so_far in zip(longest_first, passed, strict=True) if so_far > above
        )
