"""What batches are expected to take."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeflow.policy.batching.completion import FIRST_GUESS_S, REMEMBERED, CompletionBook

TOOK_S = st.lists(st.floats(0, 90_000), max_size=60)


def a_book(*took_s: float) -> CompletionBook:
    book = CompletionBook()
    for seconds in took_s:
        book.ended(seconds)
    return book


def test_before_any_was_seen_an_hour_is_expected() -> None:
    assert a_book().expected_s() == FIRST_GUESS_S == 3_600.0


def test_a_few_quick_batches_do_not_outweigh_the_first_guess_and_more_of_them_do() -> None:
    assert a_book(*[120.0] * 3).expected_s() == FIRST_GUESS_S
    assert a_book(*[120.0] * 12).expected_s() == 120.0


def test_some_slow_batches_in_a_row_count_at_once() -> None:
    assert a_book(*[120.0] * 20, 9_000.0, 8_000.0, 10_000.0).expected_s() >= 9_000.0


def test_one_slow_batch_among_many_does_not_set_the_expectation() -> None:
    assert a_book(*[120.0] * 16, 9_000.0, *[130.0] * 15).expected_s() == 130.0


def test_recent_batches_weigh_more() -> None:
    assert a_book(*[100.0] * 28, *[900.0] * 3).expected_s() == 900.0
    assert a_book(*[900.0] * 3, *[100.0] * 28).expected_s() == 100.0


def test_no_more_than_the_last_ones_are_remembered() -> None:
    book = a_book(*[50_000.0] * 100, *[10.0] * REMEMBERED)
    assert book.memory() == [10.0] * REMEMBERED
    assert book.expected_s() == 10.0


def test_a_batch_that_runs_for_longer_raises_the_expectation_while_it_runs() -> None:
    book = a_book(*[100.0] * 20)
    assert book.expected_s([60.0]) == 100.0
    assert book.expected_s([60.0, 7_000.0, 500.0]) == 7_000.0
    assert book.expected_s() == 100.0


def test_a_canceled_batch_counts_only_if_it_shows_that_they_take_longer() -> None:
    book = a_book(*[1_000.0] * 20)
    book.ended(10.0, canceled=True)
    assert book.memory() == [1_000.0] * 20
    book.ended(5_000.0, canceled=True)
    assert book.memory()[-1] == 5_000.0


def test_clocks_that_disagree_make_no_negative_duration() -> None:
    assert a_book(-5.0).memory() == [0.0]


@given(TOOK_S)
def test_the_expectation_is_something_that_was_seen_and_most_took_no_longer(took_s: list[float]) -> None:
    expected_s = a_book(*took_s).expected_s()
    seen = [FIRST_GUESS_S, *took_s[-REMEMBERED:]]
    assert expected_s in seen
    assert sum(seconds <= expected_s for seconds in seen) >= 0.5 * len(seen)


@given(TOOK_S)
def test_what_was_learned_survives_a_restart(took_s: list[float]) -> None:
    book, later = a_book(*took_s), CompletionBook()
    later.recall(json.loads(json.dumps(book.memory())))
    assert later.expected_s() == pytest.approx(book.expected_s())
    assert later.memory() == book.memory()
