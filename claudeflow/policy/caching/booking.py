"""Booking: what an answered call tells about the cache, against what its plan expected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from claudeflow.domain.job import Candidate, PromptRef
from claudeflow.domain.usage import Usage
from claudeflow.policy.caching.book import PrefixBook
from claudeflow.policy.caching.entry import Entry
from claudeflow.policy.caching.paths import TTL_S, Ttl
from claudeflow.policy.caching.plan import Mark, Plan
from claudeflow.policy.money.pricing import Rates

CLEARLY_LESS = 0.9
"""A call that read less than this part of what it should have read has missed."""

NEARLY_THE_MINIMUM = 1.25
"""What is not cached of a prompt up to so many times the model's minimum is taken to be below it."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What came back: its usage, when its request was sent (epoch seconds), at which prices.

    `cache_minimum_tokens`: the model caches nothing smaller.
    """

    usage: Usage
    sent_at: float
    rates: Rates
    cache_minimum_tokens: int
    prompt: PromptRef | None = None


@dataclass(frozen=True, slots=True)
class Miss:
    """A prefix should have been read, and was not."""

    expected_tokens: int
    previous_message_id: str | None


def book_answer(book: PrefixBook, candidate: Candidate, plan: Plan, answer: Answered) -> Miss | None:
    """Enter a settled call into the book; tells of a miss that the book did not expect.

    A pre-warm (`max_tokens` 0) would not have been made without caching: all that it cost is excess.
    """
    usage, rates = answer.usage, answer.rates
    for_the_cache = rates.uncached_cost(usage) if candidate.max_tokens == 0 else 0
    uncached, excess = rates.uncached_cost(usage) - for_the_cache, for_the_cache - _saved(usage, rates)
    book.pay(candidate, plan, usage.prompt_tokens, uncached, excess)
    marked = [
        (mark, entry) for mark in plan.marks if (entry := book.entry(candidate.model, mark.key)) is not None
    ]
    if not marked:
        return None
    cached = usage.prompt_tokens - usage.input_tokens
    if not cached and not any(entry.tokens for _, entry in marked):
        for _, entry in marked:
            entry.refused(answer.sent_at, _why_too_small(answer))
        return None
    miss = _miss(marked, usage)
    _correct_times(marked, answer, missed=miss is not None)
    _learn_sizes(marked, usage)
    _count(marked, usage, missed=miss is not None)
    _share_out(marked, usage, rates)
    marked[-1][1].saved_picousd -= for_the_cache
    for _, entry in marked:
        entry.refusals = 0 if cached else entry.refusals
        if answer.prompt is not None:
            entry.prompt_name, entry.prompt_version = answer.prompt.name, answer.prompt.version
    return miss


def _why_too_small(answer: Answered) -> str | None:
    """In words, when the size of the whole prompt tells that the prefix is below the model's minimum."""
    tokens, least = answer.usage.prompt_tokens, answer.cache_minimum_tokens
    if tokens > NEARLY_THE_MINIMUM * least:
        return None
    probably = "" if tokens < least else "probably "
    return f"not cached: {probably}below the model's minimum of {least} tokens"


Marked = Sequence[tuple[Mark, Entry]]


def _saved(usage: Usage, rates: Rates) -> int:
    """Pico-dollars that caching saved; negative when it cost more."""
    return (
        usage.cache_read_tokens * (rates.input - rates.read)
        - usage.cache_write_5m_tokens * (rates.write_5m - rates.input)
        - usage.cache_write_1h_tokens * (rates.write_1h - rates.input)
    )


def _written(usage: Usage) -> int:
    return usage.cache_write_5m_tokens + usage.cache_write_1h_tokens


def _expected(marked: Marked) -> Entry | None:
    return next((entry for mark, entry in reversed(marked) if not mark.writes), None)


def _miss(marked: Marked, usage: Usage) -> Miss | None:
    entry = _expected(marked)
    if entry is None:
        return None
    tokens = entry.tokens or (usage.prompt_tokens - usage.input_tokens)
    if usage.cache_read_tokens >= CLEARLY_LESS * tokens:
        return None
    return Miss(tokens, entry.message_id)


def _correct_times(marked: Marked, answer: Answered, *, missed: bool) -> None:
    """Entries as the server has them: by the split of the writes, and gone where nothing was read."""
    usage = answer.usage
    ttl = _ttl_written(usage)
    for mark, entry in marked:
        if mark.writes or (missed and _written(usage)):
            real = ttl or mark.ttl
            if entry.ttl != real or missed:
                entry.ttl = real
                entry.warm_until = max(answer.sent_at, entry.seen_at) + TTL_S[real]
        elif missed and not usage.cache_read_tokens:
            entry.warm_until = answer.sent_at


def _ttl_written(usage: Usage) -> Ttl | None:
    """The TTL of all that was written, when it is one."""
    if not usage.split_known or bool(usage.cache_write_1h_tokens) == bool(usage.cache_write_5m_tokens):
        return None
    return "1h" if usage.cache_write_1h_tokens else "5m"


def _learn_sizes(marked: Marked, usage: Usage) -> None:
    marked[-1][1].tokens = usage.prompt_tokens - usage.input_tokens
    expected = _expected(marked)
    if expected is not None and not expected.tokens and usage.cache_read_tokens:
        expected.tokens = usage.cache_read_tokens


def _count(marked: Marked, usage: Usage, *, missed: bool) -> None:
    expected = _expected(marked)
    for mark, entry in marked:
        if missed and entry is expected:
            entry.misses += 1
        if not _written(usage) or (not mark.writes and not missed):
            entry.reads += usage.cache_read_tokens > 0
        elif mark.writes or missed:
            entry.writes += 1


def _share_out(marked: Marked, usage: Usage, rates: Rates) -> None:
    """Give each level what its own tokens saved or cost; where sizes are not known, the next inner one."""
    read = usage.cache_read_tokens
    dearest = rates.write_1h if usage.cache_write_1h_tokens else rates.write_5m
    rest, outer = _saved(usage, rates), 0
    for _, entry in marked[:-1]:
        tokens = max(0, entry.tokens - outer)
        read_here = min(tokens, max(0, read - outer))
        share = read_here * (rates.input - rates.read) - (tokens - read_here) * (dearest - rates.input)
        entry.saved_picousd += share
        rest -= share
        outer = max(outer, entry.tokens)
    marked[-1][1].saved_picousd += rest
