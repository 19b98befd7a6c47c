"""Waiting: whether jobs that could share a call wait for more company, and how much comes.

A job waits only where that makes room for others: in a pool under pressure, in a lane that has more
to do, and when another job of its group is likely to come in time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from claudeflow.domain.prompt import PackRules

PRESSURE = 0.25
"""Below this pressure of the pool nobody waits: there is room for single calls."""

ARRIVAL_MEMORY_S = 60.0
"""How quickly the rate of arrivals follows the traffic. A new group is believed in slowly."""

MOST_GROUPS = 2_000
"""How many groups are remembered; the one not heard of for longest is forgotten."""

GroupKey = tuple[str, ...]
"""What jobs must have in common to share a call: prompt version, model, lane, workflow."""


@dataclass(frozen=True, slots=True)
class Group:
    """Jobs that could go as one pack now. `input_tokens` are those of all their own texts.

    `oldest_ms` is when the first of them was submitted, `start_by_ms` when a call must begin at the
    latest to meet the earliest of their deadlines.
    """

    rules: PackRules
    queued: int
    input_tokens: float
    oldest_ms: int
    start_by_ms: int | None
    arrivals_per_s: float

    @property
    def is_full(self) -> bool:
        """Whether no other job of their size fits in."""
        with_another = self.input_tokens * (1 + 1 / max(1, self.queued))
        return self.queued >= self.rules.max_items or with_another > self.rules.max_input_tokens


def wait_until(group: Group, now_ms: int, *, pressure: float, lane_is_busy: bool) -> int | None:
    """Until when the group waits for company, at the longest; None: it goes now.

    `pressure` is the pool's, 0 to 1; `lane_is_busy`: other jobs of the lane wait or run. Ask again
    when a job joins the group. Epoch milliseconds.
    """
    if group.is_full or pressure < PRESSURE or not lane_is_busy:
        return None
    until_ms = group.oldest_ms + math.floor(group.rules.max_wait_s * 1000)
    if group.start_by_ms is not None:
        until_ms = min(until_ms, group.start_by_ms)
    expected = group.arrivals_per_s * (until_ms - now_ms) / 1000
    return until_ms if expected >= 1 else None


@dataclass(slots=True)
class _Arrivals:
    weight: float
    last_ms: int

    def add(self, at_ms: int) -> None:
        """One more, in whatever order they are told."""
        newest_ms = max(self.last_ms, at_ms)
        self.weight = self.weight_at(newest_ms) + _faded(newest_ms - at_ms)
        self.last_ms = newest_ms

    def weight_at(self, now_ms: int) -> float:
        """What the past counts then."""
        return self.weight * _faded(max(0, now_ms - self.last_ms))


class ArrivalBook:
    """How many jobs of each group come per second: fading counts of when they were submitted."""

    def __init__(self) -> None:
        self._groups: dict[GroupKey, _Arrivals] = {}

    def note(self, key: GroupKey, submitted_ms: Iterable[int]) -> None:
        """Jobs of a group have gone, packed or singly. Epoch milliseconds."""
        for at_ms in submitted_ms:
            known = self._groups.pop(key, None) or _Arrivals(0.0, at_ms)
            known.add(at_ms)
            self._groups[key] = known
        if len(self._groups) > MOST_GROUPS:
            del self._groups[next(iter(self._groups))]

    def per_s(self, key: GroupKey, now_ms: int) -> float:
        """How many are expected in a second."""
        known = self._groups.get(key)
        return 0.0 if known is None else known.weight_at(now_ms) / ARRIVAL_MEMORY_S

    def memory(self) -> list[list[Any]]:
        """What is worth keeping over a restart, as plain JSON values."""
        return [[list(key), known.weight, known.last_ms] for key, known in self._groups.items()]

    def recall(self, memory: list[list[Any]]) -> None:
        """Take up what an earlier process had learned."""
        for key, weight, last_ms in memory:
            self._groups[tuple(key)] = _Arrivals(weight, last_ms)


def _faded(ms: int) -> float:
    return math.exp(-ms / 1000 / ARRIVAL_MEMORY_S)
