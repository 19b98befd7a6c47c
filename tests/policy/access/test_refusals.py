"""Refusals: the first ones are told, the rest is counted, and nothing is lost."""

from __future__ import annotations

from claudeflow.domain.door_events import CallerRefused
from claudeflow.policy.access.refusals import MOST_CALLERS, MOST_PER_MINUTE, OTHERS, RefusalBook


def a_refusal(caller: str | None = "alice", code: str = "forbidden", times: int = 1) -> CallerRefused:
    return CallerRefused(caller, "socket", 7, "POST /v1/jobs", code, times)


def told(book: RefusalBook, count: int, now: float, refusal: CallerRefused | None = None) -> list[int]:
    """How many each told one stands for."""
    found = [book.note(refusal or a_refusal(), now) for _ in range(count)]
    return [one.times for one in found if one is not None]


def test_a_flood_is_told_a_few_times_a_minute_and_counted_in_full() -> None:
    book = RefusalBook()
    assert told(book, 1_000, 5.0) == [1] * MOST_PER_MINUTE
    assert told(book, 1_000, 64.9) == []
    assert told(book, 1_000, 65.0) == [2_000 - MOST_PER_MINUTE + 1] + [1] * (MOST_PER_MINUTE - 1)


def test_callers_and_codes_are_counted_by_themselves() -> None:
    book = RefusalBook()
    told(book, 100, 0.0)
    for other in (a_refusal("bob"), a_refusal(None), a_refusal(code="rate_capped")):
        assert book.note(other, 0.0) == other


def test_what_nothing_new_comes_to_tell_of_is_told_after_a_minute() -> None:
    book = RefusalBook()
    told(book, MOST_PER_MINUTE + 3, 0.0)
    assert book.due(59.9) == []
    assert book.due(60.0) == [a_refusal(times=3)]
    assert (book.due(120.0), len(book)) == ([], 0)


def test_one_that_stands_for_many_counts_as_many() -> None:
    book = RefusalBook()
    told(book, MOST_PER_MINUTE, 0.0)
    told(book, 2, 1.0, a_refusal(times=100))
    assert book.due(60.0) == [a_refusal(times=200)]


def test_no_number_of_callers_fills_memory_or_log() -> None:
    book = RefusalBook()
    found = [book.note(a_refusal(f"uid:{uid}"), 0.0) for uid in range(100_000, 100_000 + MOST_CALLERS + 50)]
    spoken_of = [one for one in found if one is not None]
    assert len(book) == MOST_CALLERS + 1
    assert len(spoken_of) == MOST_CALLERS + MOST_PER_MINUTE
    assert {one.caller for one in spoken_of[MOST_CALLERS:]} == {OTHERS}
