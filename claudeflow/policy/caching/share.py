"""The cached share: tokens read from the cache over all tokens of the prompts, of the newest calls.

The window is counted in calls and not in time, so that the share is known of a workflow that asks
once an hour as well.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum, auto

from claudeflow.policy.caching.paths import BASE, key_of, kind_of, levels_of, ttl_of_caller

WINDOW_CALLS = 200
LEAST_FALL = 0.10
LEAST_RELATIVE_FALL = 0.25
"""A share has fallen when it lost ten points, and a quarter of itself."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one call showed of the cache; `version` as by `version_of`."""

    workflow: str
    prompt_name: str | None
    version: str | None
    prefix: str | None
    prompt_tokens: int
    read_tokens: int
    at_ms: int
    write_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Share:
    """The cached share of some calls, 0 to 1. Without a prompt or version it is of all the workflow's."""

    workflow: str
    prompt_name: str | None
    version: str | None
    calls: int
    prompt_tokens: int
    read_tokens: int
    last_ms: int

    @property
    def cached(self) -> float:
        """Tokens read over all tokens."""
        return self.read_tokens / self.prompt_tokens if self.prompt_tokens else 0.0


def version_of(prompt_version: str | None, prefix: str | None) -> str | None:
    """What names the stable part: the prompt's version, or of a whole request what it marks or begins with.

    What it begins with is tools and system. Without any, blocks of the messages may well be a new
    document in each call: None.
    """
    if prompt_version is not None or not prefix:
        return prompt_version
    first = levels_of(prefix)[0]
    stable = kind_of(first) == BASE or ttl_of_caller(first) is not None
    return key_of(first) if stable else None


class Window:
    """The newest calls, and their sums."""

    def __init__(self) -> None:
        self._calls: deque[tuple[int, int, int]] = deque()
        self.prompt_tokens = self.read_tokens = self.last_ms = 0
        self._write_tokens = self._hits = 0
        self._shares = 0.0

    def add(self, reading: Reading) -> None:
        """One more call; the oldest goes when there are WINDOW_CALLS."""
        call = (reading.prompt_tokens, reading.read_tokens, reading.write_tokens)
        self._count(*call, 1)
        self._calls.append(call)
        self.last_ms = reading.at_ms
        if len(self._calls) > WINDOW_CALLS:
            self._count(*self._calls.popleft(), -1)

    def _count(self, prompt_tokens: int, read_tokens: int, write_tokens: int, sign: int) -> None:
        self.prompt_tokens += sign * prompt_tokens
        self.read_tokens += sign * read_tokens
        self._write_tokens += sign * write_tokens
        self._hits += sign * (read_tokens > 0)
        self._shares += sign * (read_tokens / prompt_tokens if prompt_tokens else 0.0)

    @property
    def calls(self) -> int:
        """How many calls there are, at most WINDOW_CALLS."""
        return len(self._calls)

    @property
    def level(self) -> Level:
        """How much of these calls was cached."""
        calls, hits = max(1, len(self._calls)), max(1, self._hits)
        return Level(
            share=self.read_tokens / self.prompt_tokens if self.prompt_tokens else 0.0,
            mean=self._shares / calls,
            hits=self._hits / calls,
            tokens_a_hit=self.read_tokens / hits,
            write_tokens=self._write_tokens / calls,
        )

    def as_share(self, workflow: str, prompt_name: str | None, version: str | None) -> Share:
        """The window as a row of a report."""
        return Share(
            workflow, prompt_name, version, self.calls, self.prompt_tokens, self.read_tokens, self.last_ms
        )


@dataclass(frozen=True, slots=True)
class Level:
    """How much is cached: of all tokens, and of a call on average.

    `hits` is the part of the calls that read anything, `tokens_a_hit` what such a call reads, and
    `write_tokens` what a call writes, on average.
    """

    share: float
    mean: float
    hits: float
    tokens_a_hit: float
    write_tokens: float

    def is_far_below(self, other: Level) -> bool:
        """Whether both have fallen from `other`."""
        return _fell(other.share, self.share) and _fell(other.mean, self.mean)


class Cause(Enum):
    """Why a share is lower than before a change, as far as the counts of tokens show."""

    NOTHING_CACHED = auto()
    """Nothing is read, and nothing is written either."""
    SMALLER_PART = auto()
    """As many calls read as before, and write little, but there is less to read."""
    LONGER_MESSAGES = auto()
    """As many calls read as much as before: the rest of their input has grown."""
    MISSES = auto()
    """What was written is not read."""


def cause_of(before: Level, after: Level, *, wrote: bool) -> Cause:
    """What lowered a share; `wrote` is whether any call since then wrote into the cache."""
    if not after.hits:
        return Cause.MISSES if wrote else Cause.NOTHING_CACHED
    if after.hits < (1 - LEAST_RELATIVE_FALL) * before.hits or after.write_tokens > after.tokens_a_hit:
        return Cause.MISSES
    is_smaller = after.tokens_a_hit < (1 - LEAST_RELATIVE_FALL) * before.tokens_a_hit
    return Cause.SMALLER_PART if is_smaller else Cause.LONGER_MESSAGES


def _fell(before: float, after: float) -> bool:
    return before - after >= max(LEAST_FALL, LEAST_RELATIVE_FALL * before)
