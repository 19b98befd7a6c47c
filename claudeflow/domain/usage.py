"""Usage: tokens by kind, as one call reported them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag


class Terms(IntFlag):
    """What a request asks for that decides its prices. Kept in the store: never renumber."""

    FAST = 1
    """`speed: fast`."""
    ANYWHERE = 2
    """`inference_geo: global`; without it the workspace's own setting holds, which may be the dearer one."""
    MARKS_5M = 4
    """Cache markers of its own."""
    MARKS_1H = 8
    """The same, with the long TTL."""
    SERVER_TOOLS = 16
    """Tools that the API runs itself: they sample again and again, and each time the input is billed.
    So does a compaction."""
    OTHER_MODELS = 32
    """Another model may be asked on the way (an advisor), at its own price."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call. The four input kinds are additive, not nested (Messages `usage`).

    `split_known` is False when the API gave only the total of cache writes; then all of them are
    booked under the longest TTL that was requested.
    """

    input_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    cache_read_tokens: int = 0
    output_tokens: int = 0
    thinking_tokens: int = 0
    web_searches: int = 0
    web_fetches: int = 0
    service_tier: str = "standard"
    speed: str = "standard"
    inference_geo: str | None = None
    split_known: bool = True

    @property
    def prompt_tokens(self) -> int:
        """All input, cached or not: what the price band is chosen by."""
        return self.charged_input_tokens + self.cache_read_tokens

    @property
    def charged_input_tokens(self) -> int:
        """Input that draws on the input bucket: uncached plus cache writes, not cache reads."""
        return self.input_tokens + self.cache_write_5m_tokens + self.cache_write_1h_tokens


@dataclass(frozen=True, slots=True)
class Bill:
    """What one call cost, in nano-dollars, and what the same tokens would have cost otherwise.

    `uncached`: without prompt caching; `unbatched`: without the discount of batches; `plain`: without either.
    """

    cost_nanousd: int
    uncached_nanousd: int
    unbatched_nanousd: int
    plain_nanousd: int


NOTHING_BILLED = Bill(0, 0, 0, 0)
