"""Whether the requests of a batch are cached, and whether one of them goes ahead."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeflow.policy.batching.hits import Hits
from claudeflow.policy.batching.warm_up import (
    LEAST_GAIN,
    BatchCaching,
    choose_caching,
    may_wait,
    waits_until_ms,
)
from claudeflow.policy.money.pricing import Rates
from tests.policy.batching.builders import NOW_MS, SETTINGS

RATES = Rates(input=5_000_000, write_5m=6_250_000, write_1h=10_000_000, read=500_000, output=25_000_000)
"""Writing for an hour costs 2, reading 0.1."""
FREE = Rates(0, 0, 0, 0, 0)
SHARE = st.floats(0, 1)
ITEMS = st.integers(2, 5_000)


def chosen(
    items: int = 1_000, marked: float = 0.6, warmed: float = 0.9, *, wait: bool = True, tokens: int = 3_000
) -> BatchCaching:
    return choose_caching(tokens, items, RATES, Hits(marked, warmed), may_wait=wait)


def bill(caching: BatchCaching, items: int, hits: Hits) -> float:
    """What a token of every request's prefix is expected to cost in all, the first request writing it."""
    if caching is BatchCaching.NONE:
        return float(items)
    share = hits.warmed if caching is BatchCaching.WARMED else hits.marked
    readers = (items - 1) * share
    return 0.1 * readers + 2.0 * (items - readers)


def test_with_what_is_expected_at_first_one_request_goes_ahead() -> None:
    assert chosen() is BatchCaching.WARMED


def test_without_time_for_that_all_go_marked_at_once() -> None:
    assert chosen(wait=False) is BatchCaching.MARKED


def test_nothing_is_marked_where_too_few_would_read() -> None:
    assert chosen(marked=0.5, wait=False) is BatchCaching.NONE
    assert chosen(marked=0.3, warmed=0.5) is BatchCaching.NONE


def test_few_requests_are_worth_a_warm_up_and_not_marks_alone() -> None:
    assert chosen(items=2, warmed=0.9) is BatchCaching.NONE
    assert chosen(items=3, warmed=0.9) is BatchCaching.WARMED
    assert chosen(items=3, wait=False) is BatchCaching.NONE


@pytest.mark.parametrize("items", [0, 1])
def test_nothing_is_marked_for_a_single_request(items: int) -> None:
    assert chosen(items=items, marked=1.0, warmed=1.0) is BatchCaching.NONE


def test_nothing_is_marked_where_there_is_no_prefix() -> None:
    assert chosen(tokens=0) is BatchCaching.NONE


def test_nothing_is_marked_where_input_is_free() -> None:
    assert choose_caching(3_000, 100, FREE, Hits(), may_wait=True) is BatchCaching.NONE


def test_a_warm_up_that_saves_next_to_nothing_is_not_waited_for() -> None:
    assert chosen(marked=0.95, warmed=0.954) is BatchCaching.MARKED
    assert chosen(marked=0.95, warmed=0.956) is BatchCaching.WARMED


@pytest.mark.parametrize(("hits", "caching"), [(0.6, BatchCaching.MARKED), (0.5, BatchCaching.NONE)])
def test_what_an_earlier_batch_has_written_is_marked_where_enough_would_read_it(
    hits: float, caching: BatchCaching
) -> None:
    for items in (1, 1_000):
        found = choose_caching(3_000, items, RATES, Hits(0.0, hits), may_wait=True, is_warm=True)
        assert found is caching


@given(ITEMS, SHARE, SHARE, st.booleans())
def test_the_choice_is_the_cheapest_or_as_good_as_that(
    items: int, marked: float, warmed: float, wait: bool
) -> None:
    hits = Hits(marked, warmed)
    caching = chosen(items, marked, warmed, wait=wait)
    allowed = [kind for kind in BatchCaching if wait or kind is not BatchCaching.WARMED]
    least = min(bill(kind, items, hits) for kind in allowed)
    assert caching in allowed
    assert bill(caching, items, hits) <= least + (2 * LEAST_GAIN + 1e-9) * items
    assert caching is BatchCaching.NONE or bill(caching, items, hits) <= items * (1 - LEAST_GAIN + 1e-9)


@pytest.mark.parametrize(
    ("leave_by_ms", "wait"), [(None, True), (NOW_MS + 600_000, True), (NOW_MS + 599_999, False)]
)
def test_there_is_time_for_a_warm_up_if_all_of_the_patience_fits_before_the_batch_must_leave(
    leave_by_ms: int | None, wait: bool
) -> None:
    assert may_wait(leave_by_ms, NOW_MS, SETTINGS) is wait


def test_without_patience_none_is_waited_for() -> None:
    assert not may_wait(None, NOW_MS, replace(SETTINGS, warm_up_patience_s=0.0))


@pytest.mark.parametrize(
    ("leave_by_ms", "until_ms"),
    [(None, 600_000), (NOW_MS + 900_000, 600_000), (NOW_MS + 60_000, 60_000)],
)
def test_a_batch_waits_for_its_warm_up_as_long_as_its_patience_and_its_deadlines_allow(
    leave_by_ms: int | None, until_ms: int
) -> None:
    assert waits_until_ms(NOW_MS, leave_by_ms, SETTINGS) == NOW_MS + until_ms
