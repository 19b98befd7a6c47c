"""How often prefixes are found in batches."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeflow.policy.batching.hits import HALF_LIFE_MS, MOST_MODELS, HitBook, Hits
from tests.policy.batching.builders import NOW_MS

MODEL = "claude-haiku-5-5"
SEEN = st.lists(
    st.tuples(st.integers(0, 500), st.floats(0, 1), st.booleans(), st.integers(0, 10**9)), max_size=30
)


def a_book(seen: list[tuple[int, float, bool, int]]) -> tuple[HitBook, int]:
    """What so many items, the share of them that read, with or without a warm-up, after gaps in ms teach."""
    book, now_ms = HitBook(), NOW_MS
    for items, share, warmed, gap_ms in seen:
        now_ms += gap_ms
        book.observed(MODEL, items, round(items * share), warmed=warmed, now_ms=now_ms)
    return book, now_ms


def after(items: int, reads: int, *, warmed: bool, batches: int = 1) -> Hits:
    book = HitBook()
    for _ in range(batches):
        book.observed(MODEL, items, reads, warmed=warmed, now_ms=NOW_MS)
    return book.of(MODEL, NOW_MS)


def test_before_any_batch_a_warm_up_is_expected_to_help() -> None:
    assert HitBook().of(MODEL, NOW_MS) == Hits(0.6, 0.9)


def test_a_batch_moves_the_expectation_and_many_make_it() -> None:
    assert after(101, 20, warmed=False).marked == pytest.approx((3 * 0.6 + 0.2) / 4)
    assert after(101, 20, warmed=False, batches=60).marked == pytest.approx(0.2, abs=0.1)


def test_batches_with_and_without_a_warm_up_teach_apart() -> None:
    assert after(100, 50, warmed=True).marked == 0.6
    assert after(100, 50, warmed=True).warmed == pytest.approx((3 * 0.9 + 0.5) / 4)
    assert after(101, 50, warmed=False).warmed == 0.9


def test_models_teach_apart() -> None:
    book = HitBook()
    book.observed(MODEL, 100, 0, warmed=True, now_ms=NOW_MS)
    assert book.of("claude-opus-5-5", NOW_MS) == Hits()


def test_without_a_warm_up_one_of_the_requests_had_to_write() -> None:
    assert after(51, 50, warmed=False).marked == pytest.approx((3 * 0.6 + 1.0) / 4)
    assert after(50, 50, warmed=True).warmed == pytest.approx((3 * 0.9 + 1.0) / 4)


@pytest.mark.parametrize(("items", "warmed"), [(1, False), (0, False), (0, True)])
def test_where_nobody_could_have_read_nothing_is_learned(items: int, warmed: bool) -> None:
    assert after(items, 0, warmed=warmed) == Hits()


def test_a_small_batch_teaches_less() -> None:
    assert after(1, 0, warmed=True).warmed == pytest.approx(3 * 0.9 / 3.1)
    assert after(10, 0, warmed=True).warmed == after(10_000, 0, warmed=True).warmed


def test_a_prefix_that_was_there_already_is_read_by_all_and_never_by_more() -> None:
    assert after(20, 20, warmed=False).marked == after(20, 19, warmed=False).marked


def test_recent_batches_weigh_more() -> None:
    falling, rising = HitBook(), HitBook()
    for number in range(20):
        falling.observed(MODEL, 100, 100 if number < 10 else 0, warmed=True, now_ms=NOW_MS)
        rising.observed(MODEL, 100, 0 if number < 10 else 100, warmed=True, now_ms=NOW_MS)
    assert falling.of(MODEL, NOW_MS).warmed < 0.5 < rising.of(MODEL, NOW_MS).warmed


def test_what_was_seen_is_forgotten_with_time_so_that_it_is_tried_again() -> None:
    book = HitBook()
    book.observed(MODEL, 101, 0, warmed=False, now_ms=NOW_MS)
    shares = [book.of(MODEL, NOW_MS + days * HALF_LIFE_MS).marked for days in (0, 1, 20)]
    assert shares == [pytest.approx(1.8 / 4), pytest.approx(1.8 / 3.5), pytest.approx(0.6)]


def test_a_clock_that_goes_back_forgets_nothing() -> None:
    book = HitBook()
    book.observed(MODEL, 101, 0, warmed=False, now_ms=NOW_MS)
    assert book.of(MODEL, NOW_MS - HALF_LIFE_MS) == book.of(MODEL, NOW_MS)
    book.observed(MODEL, 101, 0, warmed=False, now_ms=NOW_MS - HALF_LIFE_MS)
    assert book.of(MODEL, NOW_MS).marked == after(101, 0, warmed=False, batches=2).marked


def test_no_more_than_some_models_are_remembered_the_latest_ones() -> None:
    book = HitBook()
    for number in range(2 * MOST_MODELS):
        book.observed(f"model {number}", 100, 0, warmed=True, now_ms=NOW_MS)
    book.observed("model 0", 100, 0, warmed=True, now_ms=NOW_MS)
    book.observed("one more", 100, 0, warmed=True, now_ms=NOW_MS)
    assert len(book.memory()) == 2 * MOST_MODELS
    assert book.of("model 1", NOW_MS) == Hits()
    assert book.of("model 0", NOW_MS) != Hits()


@given(SEEN)
def test_shares_stay_shares(seen: list[tuple[int, float, bool, int]]) -> None:
    book, now_ms = a_book(seen)
    hits = book.of(MODEL, now_ms)
    assert 0.0 <= hits.marked <= 1.0
    assert 0.0 <= hits.warmed <= 1.0


@given(SEEN)
def test_what_was_learned_survives_a_restart(seen: list[tuple[int, float, bool, int]]) -> None:
    book, now_ms = a_book(seen)
    later = HitBook()
    later.recall(json.loads(json.dumps(book.memory())))
    assert later.of(MODEL, now_ms) == book.of(MODEL, now_ms)
    assert later.memory() == book.memory()
