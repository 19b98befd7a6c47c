"""Completion: what batches take, by those that ended and those that run for longer already."""

from __future__ import annotations

from collections.abc import Iterable

from claudeflow.daemon.clock import Clock
from claudeflow.policy.batching.completion import CompletionBook


class Completion:
    """One per daemon: the durations of batches that ended, and since when others run."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._book = CompletionBook()
        self._created_ms: tuple[int, ...] = ()

    def running(self, created_ms: Iterable[int]) -> None:
        """Those that the API works on were created then (epoch ms); no others run."""
        self._created_ms = tuple(created_ms)

    def ended(self, took_s: float, *, canceled: bool = False) -> None:
        """A batch ended `took_s` after its creation."""
        self._book.ended(took_s, canceled=canceled)

    def expected_s(self) -> float:
        """What a new batch should be expected to take."""
        now_ms = self._clock.epoch_ms()
        return self._book.expected_s((now_ms - at_ms) / 1000 for at_ms in self._created_ms)

    def memory(self) -> list[float]:
        """What is worth keeping over a restart, as plain JSON values."""
        return self._book.memory()

    def recall(self, memory: Iterable[float]) -> None:
        """Take up what an earlier process had learned."""
        self._book.recall(memory)
