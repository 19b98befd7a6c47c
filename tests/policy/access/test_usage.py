"""Caps: jobs in the queue, jobs a minute, money a day."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeflow.policy.access.grants import Caps
from claudeflow.policy.access.usage import MOST_KEPT, RateBook, Used, most_at_once, room

HALF_PAST_TEN_MS = 1_795_300_200_000  # 2026-11-21T22:30:00Z
USD = 1_000_000_000


def test_without_caps_everything_fits() -> None:
    assert room("alice", Caps(), Used(10**9, 10**18, 0, 0), HALF_PAST_TEN_MS) is None


@pytest.mark.parametrize(("queued", "fits"), [(9, True), (10, True), (11, False)])
def test_the_queue_holds_as_many_as_the_cap_says(queued: int, fits: bool) -> None:
    refusal = room("alice", Caps(max_queued=10), Used(queued), HALF_PAST_TEN_MS)
    assert (refusal is None) is fits
    if refusal is not None:
        assert (refusal.http_status, refusal.code, refusal.retry_after_s) == (429, "too_many_jobs", 30)
        assert "alice may have 10 jobs in the queue at once" in str(refusal)


@pytest.mark.parametrize(
    ("used", "fits"),
    [
        (Used(0, 2 * USD - 1), True),
        (Used(0, 2 * USD), False),
        (Used(0, USD, USD - 1), True),
        (Used(0, USD, USD), False),  # of unknown cost
        (Used(0, USD, 0, USD), False),  # under way
    ],
)
def test_a_day_may_cost_what_the_cap_says(used: Used, fits: bool) -> None:
    refusal = room("alice", Caps(nanousd_per_day=2 * USD), used, HALF_PAST_TEN_MS)
    assert (refusal is None) is fits
    if refusal is not None:
        assert (refusal.http_status, refusal.code, refusal.retry_after_s) == (429, "spend_capped", 5_400)
        assert "have cost $2.00 today" in str(refusal)


def test_a_minutes_worth_may_be_sent_at_once_and_no_more() -> None:
    book = RateBook()
    assert book.level("alice", 6, now=100.0) == 6
    for _ in range(6):
        assert book.draw("alice", 1, 6, now=100.0) is None
    refusal = book.draw("alice", 1, 6, now=100.0)
    assert refusal is not None
    assert (refusal.http_status, refusal.code, refusal.retry_after_s) == (429, "rate_capped", 10)
    assert "alice may send 6 jobs a minute; come back in 10 s" in str(refusal)
    assert book.draw("bob", 6, 6, now=100.0) is None


def test_whoever_comes_back_as_told_is_let_in() -> None:
    book = RateBook()
    assert book.draw("alice", 5, 7, now=0.0) is None
    refusal = book.draw("alice", 4, 7, now=3.0)
    assert refusal is not None
    assert refusal.retry_after_s is not None
    assert book.draw("alice", 4, 7, now=3.0 + refusal.retry_after_s - 1) is not None
    assert book.draw("alice", 4, 7, now=3.0 + refusal.retry_after_s) is None


def test_more_at_once_than_ever_fits_is_told_so_and_costs_nothing() -> None:
    book = RateBook()
    refusal = book.draw("alice", 7, 6, now=0.0)
    assert refusal is not None
    assert refusal.retry_after_s is None
    assert "send 6 at most in one request" in str(refusal)
    assert book.draw("alice", 6, 6, now=0.0) is None


def test_less_than_one_job_a_minute_lets_one_through_at_last() -> None:
    book = RateBook()
    assert book.draw("alice", 1, 0.5, now=0.0) is None
    refusal = book.draw("alice", 1, 0.5, now=0.0)
    assert refusal is not None
    assert refusal.retry_after_s == 120
    assert book.draw("alice", 1, 0.5, now=120.0) is None


def test_what_was_not_taken_after_all_is_given_back() -> None:
    book = RateBook()
    assert book.draw("alice", 4, 6, now=0.0) is None
    book.give_back("alice", 4)
    book.give_back("bob", 4)
    assert book.level("alice", 6, now=0.0) == 6
    assert book.level("bob", 6, now=0.0) == 6


def test_a_clock_that_goes_back_gives_nothing() -> None:
    book = RateBook()
    assert book.draw("alice", 6, 6, now=100.0) is None
    assert book.level("alice", 6, now=40.0) == 0


def test_senders_who_sent_nothing_lately_are_forgotten_and_no_others() -> None:
    book = RateBook()
    for number in range(MOST_KEPT - 1):
        book.draw(f"old-{number}", 1, 6, now=0.0)
    book.draw("new", 6, 6, now=50.0)
    book.draw("newer", 1, 6, now=100.0)
    assert len(book) == 2
    assert book.draw("new", 6, 6, now=100.0) is not None


@given(
    per_min=st.floats(0.1, 1_000),
    draws=st.lists(st.tuples(st.floats(0, 100), st.integers(1, 50)), min_size=1, max_size=60),
)
def test_no_more_goes_through_than_a_burst_and_the_rate(
    per_min: float, draws: list[tuple[float, int]]
) -> None:
    book, now, through = RateBook(), 0.0, 0
    for pause_s, jobs in draws:
        now += pause_s
        through += jobs if book.draw("alice", jobs, per_min, now) is None else 0
        assert through <= max(1.0, per_min) + now * per_min / 60 + 1e-6


@pytest.mark.parametrize(
    ("caps", "most"),
    [
        (Caps(), 100),
        (Caps(max_queued=30), 30),
        (Caps(max_queued=500), 100),
        (Caps(None, 40.9), 40),
        (Caps(9, 0.5), 1),
    ],
)
def test_as_many_at_once_as_ever_fit(caps: Caps, most: int) -> None:
    assert most_at_once(caps, 100) == most
    if caps.jobs_per_min is not None:
        assert RateBook().draw("alice", most, caps.jobs_per_min, 0.0) is None
        assert RateBook().draw("alice", most + 1, caps.jobs_per_min, 0.0) is not None
