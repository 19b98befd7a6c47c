"""Shares: what one call used, cost and took, divided among its items so that the sums are exact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from claudeflow.domain.usage import Usage
from claudeflow.policy.money.pricing import Rates


def shares(weights: Sequence[int], total: int) -> list[int]:
    """Whole shares of `total` by weight: each at most 1 off the exact one, and their sum is `total`.

    What rounding down leaves goes to the largest remainders, among equals to the first. Weights that
    are all zero count alike. Raises ValueError when there is nobody to share.
    """
    if not weights:
        raise ValueError("a total cannot be shared by nobody")
    whole = sum(weights)
    if not whole:
        return shares([1] * len(weights), total)
    parts = [divmod(total * weight, whole) for weight in weights]
    rest = total - sum(part for part, _ in parts)
    by_remainder = sorted(range(len(parts)), key=lambda number: -parts[number][1])
    favoured = set(by_remainder[:rest])
    return [part + (number in favoured) for number, (part, _) in enumerate(parts)]


def share_usage(usage: Usage, input_sizes: Sequence[int], output_sizes: Sequence[int]) -> list[Usage]:
    """Each item's share of a call's tokens: input by the size of its text, output by that of its answer.

    No share has more thinking than output, unless the whole has.
    """

    def by_input(total: int) -> list[int]:
        return shares(input_sizes, total)

    columns = zip(
        by_input(usage.input_tokens),
        by_input(usage.cache_write_5m_tokens),
        by_input(usage.cache_write_1h_tokens),
        by_input(usage.cache_read_tokens),
        *_share_output(usage, output_sizes),
        by_input(usage.web_searches),
        by_input(usage.web_fetches),
        strict=True,
    )
    return [
        replace(
            usage,
            input_tokens=uncached,
            cache_write_5m_tokens=write_5m,
            cache_write_1h_tokens=write_1h,
            cache_read_tokens=read,
            output_tokens=output,
            thinking_tokens=thinking,
            web_searches=searches,
            web_fetches=fetches,
        )
        for uncached, write_5m, write_1h, read, output, thinking, searches, fetches in columns
    ]


def _share_output(usage: Usage, sizes: Sequence[int]) -> tuple[list[int], list[int]]:
    """Output and the thinking in it. They are rounded apart from each other, so that the part fits."""
    thinking = shares(sizes, usage.thinking_tokens)
    said_tokens = usage.output_tokens - usage.thinking_tokens
    if said_tokens < 0:
        return shares(sizes, usage.output_tokens), thinking
    said = shares(sizes, said_tokens)
    return [thought + words for thought, words in zip(thinking, said, strict=True)], thinking


def share_cost(cost_nanousd: int, usages: Sequence[Usage], rates: Rates) -> list[int]:
    """Each item's share of a call's cost: by what the tokens of its share are worth."""
    return shares([rates.cost(usage) for usage in usages], cost_nanousd)


def share_ms(duration_ms: int, usages: Sequence[Usage]) -> list[int]:
    """Each item's share of a call's time: by its output, which takes most of it."""
    return shares([usage.output_tokens for usage in usages], duration_ms)
