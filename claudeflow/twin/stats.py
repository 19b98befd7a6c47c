"""What the twin saw: counters and a log line for each call."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from claudeflow.twin.batches.tally import NO_BATCHES, BatchStats
from claudeflow.twin.cache import CacheWrite
from claudeflow.twin.meters import Meters, PoolMeters

_BURST_WINDOW_S = 0.1
DROPPED = 0


@dataclass(frozen=True, slots=True)
class CallLine:
    """One call. `at_s` counts from the twin's start; status 0 is a connection dropped without an answer."""

    at_s: float
    request_id: str
    model: str
    status: int
    input_tokens: int = 0
    output_tokens: int = 0
    ending: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Stats:
    """A snapshot, `at_s` seconds from the start; of pools, only those that somebody used.

    `early_calls` arrived although a pool's `retry-after` had not passed yet. `needless_cache_writes`
    are those of prefixes that were in the cache already, by a request that arrived before. Both, like all
    but `batches` and `total_nanousd`, are about message calls.
    """

    at_s: float
    calls: int
    calls_by_status: dict[int, int]
    burst_max_100ms: int
    early_calls: int
    in_flight: int
    in_flight_max: int
    total_nanousd: int
    pools: dict[str, PoolMeters]
    cache_writes: int = 0
    needless_cache_writes: int = 0
    batches: BatchStats = NO_BATCHES


class Recorder:
    """Keeps the counters; every method takes monotonic seconds."""

    def __init__(self, started_at: float) -> None:
        self.lines: list[CallLine] = []
        self.by_status: Counter[int] = Counter()
        self.burst_max = 0
        self.early_calls = 0
        self.in_flight = 0
        self.in_flight_max = 0
        self._started_at = started_at
        self._window = -1
        self._in_window = 0

    def since_start(self, now: float) -> float:
        """Seconds from the start to `now`."""
        return now - self._started_at

    def arrived(self, now: float) -> None:
        """A message call came in."""
        window = int(self.since_start(now) / _BURST_WINDOW_S)
        self._in_window = self._in_window + 1 if window == self._window else 1
        self._window = window
        self.burst_max = max(self.burst_max, self._in_window)

    def entered(self) -> None:
        """A generation began."""
        self.in_flight += 1
        self.in_flight_max = max(self.in_flight_max, self.in_flight)

    def left(self) -> None:
        """A generation ended."""
        self.in_flight -= 1

    def note(self, line: CallLine) -> None:
        """A call ended."""
        self.by_status[line.status] += 1
        self.lines.append(line)

    def snapshot(
        self, total_nanousd: int, meters: Meters, writes: Sequence[CacheWrite], batches: BatchStats
    ) -> Stats:
        """The counters as a value."""
        return Stats(
            at_s=meters.at_s,
            calls=len(self.lines),
            calls_by_status=dict(self.by_status),
            burst_max_100ms=self.burst_max,
            early_calls=self.early_calls,
            in_flight=self.in_flight,
            in_flight_max=self.in_flight_max,
            total_nanousd=total_nanousd,
            pools={name: pool for name, pool in meters.pools.items() if _was_used(pool)},
            cache_writes=len(writes),
            needless_cache_writes=sum(write.was_live for write in writes),
            batches=batches,
        )


def _was_used(pool: PoolMeters) -> bool:
    return bool(pool.refused) or any(meter.used or meter.others for meter in pool.axes.values())
