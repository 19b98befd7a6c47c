"""What a call used, cost and took is shared to the last token, nano-dollar and millisecond."""

from __future__ import annotations

from dataclasses import astuple, replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from claudeflow.domain.usage import Usage
from claudeflow.policy.money.pricing import Rates
from claudeflow.policy.packing.shares import share_cost, share_ms, share_usage, shares

HAIKU = Rates(input=100_000, write_5m=125_000, write_1h=200_000, read=10_000, output=500_000)
WEIGHTS = st.lists(st.integers(0, 10**9), min_size=1, max_size=50)
SIZES = st.lists(st.tuples(st.integers(0, 9_000), st.integers(0, 9_000)), min_size=1, max_size=20)
TOKENS = st.integers(0, 200_000)
USAGES = st.builds(Usage, *[TOKENS] * 6, st.integers(0, 9), st.integers(0, 9))


@pytest.mark.parametrize(
    ("weights", "total", "parts"),
    [
        ([1, 1, 1], 10, [4, 3, 3]),
        ([1, 2, 3], 6, [1, 2, 3]),
        ([1, 5, 1], 10, [2, 7, 1]),
        ([0, 3], 7, [0, 7]),
        ([0, 0, 0], 5, [2, 2, 1]),
        ([5], 9, [9]),
        ([3, 1], 0, [0, 0]),
    ],
)
def test_shares_are_by_weight_and_the_rest_goes_to_the_largest_remainders(
    weights: list[int], total: int, parts: list[int]
) -> None:
    assert shares(weights, total) == parts


def test_a_total_cannot_be_shared_by_nobody() -> None:
    with pytest.raises(ValueError, match="nobody"):
        shares([], 5)


@given(WEIGHTS, st.integers(0, 10**15))
def test_shares_add_up_and_none_is_a_whole_unit_off(weights: list[int], total: int) -> None:
    parts = shares(weights, total)
    assert sum(parts) == total
    whole = sum(weights)
    assume(whole)
    assert all(
        abs(part * whole - total * weight) < whole for part, weight in zip(parts, weights, strict=True)
    )


@given(USAGES, SIZES)
def test_every_kind_of_token_adds_up(usage: Usage, sizes: list[tuple[int, int]]) -> None:
    parts = share_usage(usage, [size for size, _ in sizes], [size for _, size in sizes])
    assert len(parts) == len(sizes)
    summed = tuple(map(sum, zip(*(astuple(part)[:8] for part in parts), strict=True)))
    assert summed == astuple(usage)[:8]
    if usage.thinking_tokens <= usage.output_tokens:
        assert all(part.thinking_tokens <= part.output_tokens for part in parts)
    assert all(tokens >= 0 for part in parts for tokens in astuple(part)[:8])


def test_input_goes_by_the_texts_and_output_by_the_answers() -> None:
    usage = Usage(300, 30, 60, 900, 100, 40, split_known=False, speed="fast", inference_geo="us")
    first, second = share_usage(usage, [1, 2], [3, 1])
    assert first == replace(
        usage,
        input_tokens=100,
        cache_write_5m_tokens=10,
        cache_write_1h_tokens=20,
        cache_read_tokens=300,
        output_tokens=75,
        thinking_tokens=30,
    )
    assert second.output_tokens == 25
    assert second.cache_read_tokens == 600


def test_more_thinking_than_output_is_shared_as_it_was_told() -> None:
    parts = share_usage(Usage(output_tokens=3, thinking_tokens=10), [1, 1], [1, 1])
    assert [(part.output_tokens, part.thinking_tokens) for part in parts] == [(2, 5), (1, 5)]


def test_cost_goes_by_what_the_tokens_of_each_share_are_worth() -> None:
    usages = [Usage(input_tokens=1_000, output_tokens=100), Usage(cache_read_tokens=1_000, output_tokens=0)]
    assert share_cost(160_000, usages, HAIKU) == [150_000, 10_000]


@given(USAGES, SIZES, st.integers(0, 10**12))
def test_cost_and_time_add_up(usage: Usage, sizes: list[tuple[int, int]], total: int) -> None:
    parts = share_usage(usage, [size for size, _ in sizes], [size for _, size in sizes])
    assert sum(share_cost(total, parts, HAIKU)) == total
    assert sum(share_ms(total, parts)) == total


def test_time_goes_by_output() -> None:
    usages = [Usage(input_tokens=9_000, output_tokens=30), Usage(output_tokens=10)]
    assert share_ms(4_000, usages) == [3_000, 1_000]
