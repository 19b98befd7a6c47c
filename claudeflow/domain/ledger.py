"""What the books are asked for, and how they answer: sums of usage by dimensions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from enum import StrEnum


class Dimension(StrEnum):
    """What usage can be summed by. The last three are parts of the UTC calendar, as the API counts days."""

    WORKFLOW = "workflow"
    LANE = "lane"
    MODEL = "model"
    PROMPT = "prompt"
    VERSION = "version"
    TIER = "tier"
    SPEED = "speed"
    GEO = "geo"
    KIND = "kind"
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"

    @property
    def is_time(self) -> bool:
        """Whether it is a part of the calendar."""
        return self in (Dimension.HOUR, Dimension.DAY, Dimension.MONTH)


@dataclass(frozen=True, slots=True)
class UsageRow:
    """Sums over the calls of one group. `key` has its value of each dimension asked for, '' for none.

    Hours read `2026-11-22T09:00Z`, days `2026-11-22`, months `2026-11`. `calls` are settled ones, and all
    tokens and sums are theirs; unknown calls cost at most `unknown_bound_nanousd` together. `unsplit_calls`
    wrote to the cache without being told at which TTL: all of it is booked under the longest one asked for.
    """

    key: tuple[str, ...] = ()
    calls: int = 0
    unknown_calls: int = 0
    unknown_bound_nanousd: int = 0
    unsplit_calls: int = 0
    input_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    cache_read_tokens: int = 0
    output_tokens: int = 0
    thinking_tokens: int = 0
    web_searches: int = 0
    web_fetches: int = 0
    cost_nanousd: int = 0
    uncached_nanousd: int = 0
    unbatched_nanousd: int = 0
    plain_nanousd: int = 0

    @property
    def prompt_tokens(self) -> int:
        """All input, cached or not."""
        written = self.cache_write_5m_tokens + self.cache_write_1h_tokens
        return self.input_tokens + written + self.cache_read_tokens

    @property
    def cached_share(self) -> float | None:
        """The share of all input that was read from the cache; None without input."""
        return self.cache_read_tokens / self.prompt_tokens if self.prompt_tokens else None

    @property
    def saved_share(self) -> float | None:
        """What cache and batches took off the bill, as a share of it without either; None for no bill."""
        return 1 - self.cost_nanousd / self.plain_nanousd if self.plain_nanousd else None


SUMS = tuple(field.name for field in fields(UsageRow) if field.name != "key")
"""What a row sums up."""


def total_of(rows: Iterable[UsageRow]) -> UsageRow:
    """The sum of rows, without a key."""
    kept = list(rows)
    return UsageRow((), *(sum(getattr(row, name) for row in kept) for name in SUMS))


@dataclass(frozen=True, slots=True)
class UsageQuestion:
    """Which sums are wanted, by what and of what. Times are epoch ms; `until_ms` does not belong to it."""

    by: tuple[Dimension, ...] = ()
    since_ms: int = 0
    until_ms: int | None = None
    where: tuple[tuple[Dimension, str], ...] = ()


@dataclass(frozen=True, slots=True)
class SubmitterRow:
    """What the calls for a submitter's jobs cost that were opened in a window: settled, and at most the rest.

    Calls that jobs shared count by their parts once they have ended.
    """

    submitted_by: str
    cost_nanousd: int
    unknown_nanousd: int
    in_flight_nanousd: int
