"""Where the cache breakpoint goes, and who may write a cold prefix."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeflow.policy.caching.cache_plan import (
    CACHE_TTL_S,
    LEADER_PATIENCE_S,
    UNCACHEABLE_KEPT,
    PrefixBook,
    Turn,
    asks_for_1h,
    has_markers,
    with_breakpoint,
)

MARK = {"type": "ephemeral"}
LONG_MARK = {"type": "ephemeral", "ttl": "1h"}
MODEL, PREFIX = "claude-haiku-5-5", "3f0c9a"


def a_body(**parts: Any) -> dict[str, Any]:
    return {"model": MODEL, "max_tokens": 10, "messages": [{"role": "user", "content": "hello"}], **parts}


def a_block(text: str, **parts: Any) -> dict[str, Any]:
    return {"type": "text", "text": text, **parts}


# Where the breakpoint goes


def test_a_system_text_becomes_a_marked_block() -> None:
    planned = with_breakpoint(a_body(system="Sort tickets."))
    assert planned == a_body(system=[a_block("Sort tickets.", cache_control=MARK)])


def test_of_several_system_blocks_the_last_is_marked() -> None:
    planned = with_breakpoint(a_body(system=[a_block("a"), a_block("b")]))
    assert planned["system"] == [a_block("a"), a_block("b", cache_control=MARK)]


def test_with_tools_and_system_one_mark_behind_both_is_enough() -> None:
    planned = with_breakpoint(a_body(tools=[{"name": "x"}], system="s"))
    assert planned["tools"] == [{"name": "x"}]
    assert planned["system"] == [a_block("s", cache_control=MARK)]


@pytest.mark.parametrize("nothing", [{}, {"system": ""}, {"system": []}])
def test_without_a_system_text_the_last_tool_is_marked(nothing: dict[str, Any]) -> None:
    planned = with_breakpoint(a_body(tools=[{"name": "x"}, {"name": "y"}], **nothing))
    assert planned["tools"] == [{"name": "x"}, {"name": "y", "cache_control": MARK}]


@pytest.mark.parametrize("parts", [{}, {"system": "", "tools": []}, {"tools": None}])
def test_a_body_without_a_stable_part_stays_as_it_is(parts: dict[str, Any]) -> None:
    body = a_body(**parts)
    assert with_breakpoint(body) == body


MARKED = [
    a_body(system="s", cache_control=MARK),
    a_body(system=[a_block("a", cache_control=MARK), a_block("b")]),
    a_body(system="s", tools=[{"name": "x", "cache_control": MARK}]),
    a_body(system="s", messages=[{"role": "user", "content": [a_block("q", cache_control=LONG_MARK)]}]),
]


@pytest.mark.parametrize("body", MARKED)
def test_the_callers_own_markers_win(body: dict[str, Any]) -> None:
    assert has_markers(body)
    assert with_breakpoint(body) is body


def test_planning_leaves_the_callers_body_alone() -> None:
    system = [a_block("a")]
    body = a_body(system=system)
    with_breakpoint(body)
    assert body == a_body(system=[a_block("a")])


def test_odd_shapes_have_no_markers() -> None:
    assert not has_markers(a_body(messages=["text", {"role": "user", "content": [1, "x"]}], tools=None))
    assert not has_markers({"messages": None})


@pytest.mark.parametrize(
    ("body", "long"),
    [
        (a_body(system="s"), False),
        (a_body(cache_control=MARK), False),
        (a_body(cache_control=LONG_MARK), True),
        (a_body(system=[a_block("a", cache_control=LONG_MARK)]), True),
        (a_body(messages=[{"role": "user", "content": [a_block("q", cache_control=LONG_MARK)]}]), True),
        (a_body(cache_control="1h"), False),
    ],
)
def test_the_long_ttl_is_seen_wherever_it_is_asked_for(body: dict[str, Any], long: bool) -> None:
    assert asks_for_1h(body) is long


# Who may write a cold prefix


def turn(book: PrefixBook, now: float) -> Turn:
    return book.turn(MODEL, PREFIX, now)


def a_led_book(now: float = 0.0) -> PrefixBook:
    """Job 1 leads."""
    book = PrefixBook()
    book.lead(MODEL, PREFIX, 1, now)
    return book


def test_a_job_without_a_prefix_just_goes() -> None:
    book = PrefixBook()
    assert book.turn(MODEL, None, 0.0) is Turn.GO
    assert not book.is_warm(MODEL, None, 0.0)


def test_the_first_job_of_a_cold_prefix_leads_and_the_others_wait() -> None:
    book = PrefixBook()
    assert turn(book, 0.0) is Turn.LEAD
    book.lead(MODEL, PREFIX, 1, 0.0)
    assert turn(book, 1.0) is Turn.WAIT


def test_the_same_prefix_on_another_model_is_another_entry() -> None:
    assert a_led_book().turn("claude-opus-5-5", PREFIX, 1.0) is Turn.LEAD


def test_once_the_leaders_response_begins_everybody_goes() -> None:
    book = a_led_book()
    book.began(MODEL, PREFIX, 1, sent_at=0.0)
    assert turn(book, 1.0) is Turn.GO
    assert book.is_warm(MODEL, PREFIX, 1.0)


def test_a_leader_that_fails_passes_the_lead() -> None:
    book = a_led_book()
    book.ended(MODEL, PREFIX, 1, cached_tokens=None)
    assert turn(book, 1.0) is Turn.LEAD


def test_that_another_job_failed_does_not_pass_the_lead() -> None:
    book = a_led_book()
    book.ended(MODEL, PREFIX, 7, cached_tokens=None)
    assert turn(book, 1.0) is Turn.WAIT


def test_a_leader_that_fails_after_its_response_began_has_written_the_prefix() -> None:
    book = a_led_book()
    book.began(MODEL, PREFIX, 1, sent_at=0.0)
    book.ended(MODEL, PREFIX, 1, cached_tokens=None)
    assert turn(book, 1.0) is Turn.GO


def test_a_prefix_below_the_models_minimum_is_waited_for_once() -> None:
    book = a_led_book()
    book.began(MODEL, PREFIX, 1, sent_at=0.0)
    book.ended(MODEL, PREFIX, 1, cached_tokens=0)
    assert turn(book, 1.0) is Turn.GO
    assert turn(book, 10_000.0) is Turn.GO
    assert not book.is_warm(MODEL, PREFIX, 1.0)


def test_the_end_of_a_call_whose_prefix_nobody_knows_changes_nothing() -> None:
    book = PrefixBook()
    book.ended(MODEL, PREFIX, 1, cached_tokens=0)
    assert turn(book, 0.0) is Turn.LEAD


def test_an_entry_lives_for_one_ttl_from_the_last_request_that_used_it() -> None:
    book = a_led_book()
    book.began(MODEL, PREFIX, 1, sent_at=0.0)
    book.began(MODEL, PREFIX, 2, sent_at=100.0)
    book.began(MODEL, PREFIX, 3, sent_at=50.0)
    assert turn(book, 100.0 + CACHE_TTL_S - 0.1) is Turn.GO
    assert turn(book, 100.0 + CACHE_TTL_S) is Turn.LEAD


def test_others_do_not_wait_for_ever_for_a_silent_leader() -> None:
    book = a_led_book()
    assert turn(book, LEADER_PATIENCE_S - 0.1) is Turn.WAIT
    assert turn(book, LEADER_PATIENCE_S) is Turn.LEAD
    book.lead(MODEL, PREFIX, 2, LEADER_PATIENCE_S)
    assert turn(book, LEADER_PATIENCE_S + 1.0) is Turn.WAIT


def test_when_the_silent_leader_speaks_after_all_nobody_waits_for_the_second() -> None:
    book = a_led_book()
    book.lead(MODEL, PREFIX, 2, LEADER_PATIENCE_S)
    book.began(MODEL, PREFIX, 1, sent_at=0.0)
    assert turn(book, LEADER_PATIENCE_S + 1.0) is Turn.GO


def test_what_has_gone_cold_is_forgotten_and_what_is_led_or_warm_is_not() -> None:
    book = a_led_book()
    book.began(MODEL, "warm", 5, sent_at=900.0)
    book.began(MODEL, "cold", 6, sent_at=0.0)
    book.forget_cold(1_000.0)
    assert book.turn(MODEL, PREFIX, 10.0) is Turn.WAIT
    assert book.is_warm(MODEL, "warm", 1_000.0)
    assert book.turn(MODEL, "cold", 10.0) is Turn.LEAD


def test_not_every_uncacheable_prefix_is_remembered_for_ever() -> None:
    book = PrefixBook()
    for number in range(UNCACHEABLE_KEPT + 1):
        book.began(MODEL, f"p{number}", number, sent_at=0.0)
        book.ended(MODEL, f"p{number}", number, cached_tokens=0)
    assert book.turn(MODEL, "p0", 1.0) is Turn.GO
    book.forget_cold(1.0)
    assert book.turn(MODEL, "p0", 1.0) is Turn.LEAD


EVENTS = st.lists(
    st.tuples(
        st.floats(0, 50),
        st.sampled_from(["ask", "ask", "ask", "began", "failed", "ended"]),
        st.integers(0, 5),
    ),
    max_size=80,
)


@given(EVENTS)
def test_never_two_writers_within_the_leaders_patience_and_none_while_the_prefix_is_warm(
    happenings: list[tuple[float, str, int]],
) -> None:
    book, now, next_job = PrefixBook(), 0.0, 0
    out: dict[int, float] = {}
    writing: dict[int, float] = {}
    warm_until = -1.0
    for gap_s, what, which in happenings:
        now += gap_s
        if what == "ask":
            next_job += 1
            got = turn(book, now)
            if got is Turn.LEAD:
                assert now >= warm_until
                assert all(now - since >= LEADER_PATIENCE_S for since in writing.values())
                book.lead(MODEL, PREFIX, next_job, now)
                writing[next_job] = now
            if got is not Turn.WAIT:
                out[next_job] = now
        elif out:
            job = list(out)[which % len(out)]
            sent_at = out[job]
            writing.pop(job, None)
            if what == "began":
                book.began(MODEL, PREFIX, job, sent_at)
                warm_until = max(warm_until, sent_at + CACHE_TTL_S)
            else:
                del out[job]
                book.ended(MODEL, PREFIX, job, cached_tokens=None if what == "failed" else 2_000)


def test_who_writes_a_cold_prefix_is_told_with_the_end_of_the_others_patience() -> None:
    book = PrefixBook()
    assert book.written_by(MODEL, "p") == (None, float("-inf"))
    assert book.written_by(MODEL, None) == (None, float("-inf"))
    book.lead(MODEL, "p", 7, 100.0)
    assert book.written_by(MODEL, "p") == (7, 100.0 + LEADER_PATIENCE_S)
    book.began(MODEL, "p", 7, 100.0)
    assert book.written_by(MODEL, "p") == (None, float("-inf"))
