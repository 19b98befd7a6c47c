"""Who may write a cold prefix, what is believed of the cache, and what survives a restart."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeflow.domain.job import Candidate
from claudeflow.domain.usage import Usage
from claudeflow.policy.caching.book import ENTRIES_KEPT, GROUPS_KEPT, LEADER_PATIENCE_S, PrefixBook
from claudeflow.policy.caching.booking import Answered, Miss, book_answer
from claudeflow.policy.caching.entry import REFUSED_S, PrefixRow
from claudeflow.policy.caching.plan import Mark, Plan, Turn
from claudeflow.policy.caching.settings import CacheSettings
from tests.policy.builders import a_candidate
from tests.policy.caching.cachelab import OPUS, Lab, a_body, long_text, rates_of, text

RATES = rates_of(OPUS)
LEAST = 512
NOW = 1_795_338_000.0
A_WRITE = Plan(Turn.LEAD, (Mark("aaaa", "5m", writes=True),))
SYSTEM = long_text("system", 1_000)


def a_job(number: int = 1, prefix: str | None = "aaaa", **changes: Any) -> Candidate:
    return a_candidate(number, prefix=prefix, model=OPUS, input_bytes=8_000, **changes)


def decided(book: PrefixBook, now: float = NOW, job: Candidate | None = None) -> Plan:
    return book.decide(job or a_job(99), RATES, now)


def begun(book: PrefixBook, number: int = 1, now: float = NOW, prefix: str = "aaaa") -> Plan:
    """This job goes."""
    job = a_job(number, prefix)
    plan = book.decide(job, RATES, now)
    book.start(job, plan, RATES, now)
    return plan


def answered(
    book: PrefixBook, plan: Plan, number: int = 1, sent_at: float = NOW, prefix: str = "aaaa", **usage: Any
) -> Miss | None:
    """Its response began, and ended with this usage."""
    book.began(number, OPUS, plan, sent_at)
    usage.setdefault("input_tokens", 50)
    found = Answered(Usage(**usage), sent_at, RATES, LEAST)
    return book_answer(book, a_job(number, prefix), plan, found)


def a_warm_book(ttl: str = "5m") -> PrefixBook:
    book = PrefixBook(CacheSettings(ttl=ttl))  # type: ignore[arg-type]
    usage: dict[str, Any] = {f"cache_write_{ttl}_tokens": 2_000}
    answered(book, begun(book), **usage)
    return book


def asked_for_an_hour(book: PrefixBook) -> Plan:
    """What a job does one hour on, when others have come every minute."""
    for number in range(10, 69):
        assert begun(book, number, NOW + 60 * (number - 9)) == Plan()
    return decided(book, NOW + REFUSED_S)


def only_row(book: PrefixBook, now: float = NOW) -> PrefixRow:
    [row] = book.rows(now)
    return row


def test_a_job_without_a_prefix_just_goes() -> None:
    assert decided(PrefixBook(), job=a_job(1, None)) == Plan()


def test_the_first_job_of_a_cold_prefix_leads_and_the_others_wait_for_it() -> None:
    book = PrefixBook()
    assert begun(book) == Plan(Turn.LEAD, (Mark("aaaa", "5m", writes=True),))
    assert decided(book) == Plan(Turn.WAIT, (), "aaaa")
    assert book.leader_of(OPUS, "aaaa") == (1, NOW + LEADER_PATIENCE_S)


def test_once_the_leaders_response_begins_everybody_reads() -> None:
    book = PrefixBook()
    plan = begun(book)
    book.began(1, OPUS, plan, NOW)
    assert decided(book, NOW + 1) == Plan(Turn.GO, (Mark("aaaa", "5m", writes=False),))
    assert book.leader_of(OPUS, "aaaa")[0] is None


def test_a_leader_that_fails_passes_the_lead() -> None:
    book = PrefixBook()
    plan = begun(book)
    book.give_up(7, a_job(7), plan)
    assert decided(book).turn is Turn.WAIT
    book.give_up(1, a_job(1), plan)
    assert decided(book).turn is Turn.LEAD


def test_a_leader_that_fails_after_its_response_began_has_written_the_prefix() -> None:
    book = PrefixBook()
    plan = begun(book)
    book.began(1, OPUS, plan, NOW)
    book.give_up(1, a_job(1), plan)
    assert decided(book, NOW + 1).turn is Turn.GO


def test_others_do_not_wait_for_ever_for_a_silent_leader() -> None:
    book = PrefixBook()
    begun(book)
    assert decided(book, NOW + LEADER_PATIENCE_S - 0.1).turn is Turn.WAIT
    assert decided(book, NOW + LEADER_PATIENCE_S).turn is Turn.LEAD


def test_without_the_rule_nobody_leads_and_everybody_marks() -> None:
    book = PrefixBook(CacheSettings(cold_prefix=False))
    assert begun(book).turn is Turn.GO
    assert decided(book) == Plan(Turn.GO, (Mark("aaaa", "5m", writes=True),))


def test_company_in_the_queue_speaks_for_a_write_when_nothing_else_does() -> None:
    book = PrefixBook()
    for number in range(10):
        begun(book, number, NOW + 10 * number, f"{number:x}")
    alone = book.decide(a_job(99, "ffff"), RATES, NOW + 200)
    in_company = book.decide(a_job(99, "ffff"), RATES, NOW + 200, company=True)
    assert (alone.turn, in_company.turn) == (Turn.GO, Turn.LEAD)


def test_what_the_next_job_reads_is_written_though_many_tries_have_failed() -> None:
    lab = Lab()
    for number in range(100):
        lab.call(10.0 * number, a_body(long_text(f"once {number}", 1_200)))
    job = a_candidate(999, prefix="ffff", model=OPUS, input_bytes=1_000_000, workflow="w")
    assert lab.book.decide(job, RATES, NOW + 1_100).turn is Turn.GO
    assert lab.book.decide(job, RATES, NOW + 1_100, company=True).turn is Turn.LEAD


def test_switched_off_nobody_waits_and_nothing_is_noted() -> None:
    book = PrefixBook(CacheSettings(enabled=False))
    assert begun(book) == Plan()
    assert book.rows(NOW) == ()


def test_the_outer_part_that_is_being_written_is_waited_for_and_the_warm_one_is_not() -> None:
    book = PrefixBook()
    plan = begun(book, 1, prefix="aaaa/doc:bbbb")
    assert decided(book, job=a_job(2, "aaaa/doc:cccc")).awaited == "aaaa"
    book.began(1, OPUS, plan, NOW)
    assert decided(book, NOW + 1, a_job(2, "aaaa/doc:cccc")).turn is Turn.LEAD
    assert decided(book, NOW + 1, a_job(3, "aaaa/doc:bbbb")).turn is Turn.GO


def test_a_prefix_below_the_models_minimum_is_waited_for_once() -> None:
    book = PrefixBook()
    assert answered(book, begun(book)) is None
    assert decided(book) == Plan()
    row = only_row(book)
    assert (row.ttl, row.why) == (None, "not cached: below the model's minimum of 512 tokens")
    assert asked_for_an_hour(book).turn is Turn.LEAD


def test_one_odd_answer_to_a_large_prompt_is_a_miss_and_the_next_call_leads() -> None:
    book = PrefixBook()
    answered(book, begun(book), input_tokens=10_000)
    assert only_row(book).unexpected_misses == 1
    plan = begun(book, 2)
    assert plan.turn is Turn.LEAD
    answered(book, plan, 2, cache_write_5m_tokens=9_000)
    assert decided(book, NOW + 1).turn is Turn.GO


def test_what_the_api_does_not_cache_three_times_in_a_row_is_left_alone_for_an_hour() -> None:
    book = PrefixBook()
    for number in range(3):
        plan = begun(book, number)
        assert plan.turn is Turn.LEAD
        answered(book, plan, number, input_tokens=10_000)
    begun(book, 4, NOW + 10)
    assert decided(book, NOW + 10) == Plan()
    row = only_row(book, NOW + 10)
    assert (row.ttl, row.last_used_ms) == (None, (NOW + 10) * 1000)
    assert "the API did not cache it" in row.why
    successor = PrefixBook()
    successor.recall(json.loads(json.dumps(book.memory())))
    assert decided(successor, NOW + REFUSED_S - 1) == Plan()
    assert asked_for_an_hour(successor).turn is Turn.LEAD


def test_a_writer_that_is_cut_off_after_its_response_began_counts_as_a_write() -> None:
    book = PrefixBook()
    plan = begun(book)
    book.began(1, OPUS, plan, NOW)
    book.give_up(1, a_job(1), plan)
    row = only_row(book)
    assert (row.writes, row.reads) == (1, 0)
    assert row.saved_nanousd == round(8_000 * 0.3 * -1_250)


def test_a_writer_that_is_cut_off_before_its_response_began_has_written_nothing() -> None:
    book = PrefixBook()
    book.give_up(1, a_job(1), begun(book))
    assert (only_row(book).writes, only_row(book).saved_nanousd) == (0, 0)


def test_groups_and_balances_that_are_idle_are_forgotten_before_those_in_use() -> None:
    book = PrefixBook()
    begun(book, 0, prefix="busy")
    for number in range(1, GROUPS_KEPT + 5):
        job = a_job(number, f"{number:x}", workflow=f"w{number}")
        book.start(job, Plan(), RATES, NOW)
    begun(book, 9_000, NOW + 1, "busy2")
    book.forget(NOW + 1)
    memory = json.loads(json.dumps(book.memory()))
    for kept in (memory["groups"], memory["balances"]):
        names = [name for name, *_ in kept]
        assert len(names) == GROUPS_KEPT
        assert names[-1] == "triage"
        assert "w1" not in names


@pytest.mark.parametrize(("ttl", "lives_s"), [("5m", 300.0), ("1h", 3_600.0)])
def test_an_entry_lives_for_its_own_ttl_from_the_start_of_the_last_request_that_read_it(
    ttl: str, lives_s: float
) -> None:
    book = a_warm_book(ttl)
    book.settings = CacheSettings()
    plan = begun(book, 2, NOW + 200)
    answered(book, plan, 2, NOW + 200, cache_read_tokens=2_000)
    assert book.is_warm(OPUS, "aaaa", NOW + 200 + lives_s - 0.1)
    assert not book.is_warm(OPUS, "aaaa", NOW + 200 + lives_s)


def test_the_ttl_is_what_the_api_says_it_wrote() -> None:
    book = PrefixBook(CacheSettings(ttl="1h"))
    answered(book, begun(book), cache_write_5m_tokens=2_000)
    assert book.is_warm(OPUS, "aaaa", NOW + 299)
    assert not book.is_warm(OPUS, "aaaa", NOW + 301)


def test_a_miss_that_nobody_expected_is_told_and_the_prefix_counts_as_written_anew() -> None:
    book = a_warm_book()
    book.recorded(OPUS, A_WRITE, "msg_1", instead_of=None)
    plan = begun(book, 2, NOW + 100)
    miss = answered(book, plan, 2, NOW + 100, cache_write_5m_tokens=2_000)
    assert miss == Miss(2_000, "msg_1")
    row = only_row(book, NOW + 100)
    assert (row.writes, row.reads, row.unexpected_misses) == (2, 0, 1)
    assert row.warm_until_ms == (NOW + 400) * 1000


def test_a_miss_without_a_write_leaves_the_prefix_cold() -> None:
    book = a_warm_book()
    assert answered(book, begun(book, 2), 2) == Miss(2_000, None)
    assert not book.is_warm(OPUS, "aaaa", NOW + 1)
    assert decided(book, NOW + 1).turn is Turn.LEAD


def test_a_row_counts_what_was_written_read_and_saved() -> None:
    book = a_warm_book()
    for number in range(2, 5):
        answered(book, begun(book, number), number, cache_read_tokens=2_000)
    row = only_row(book)
    assert (row.tokens, row.writes, row.reads, row.ttl) == (2_000, 1, 3, "5m")
    assert row.saved_nanousd == 2_000 * (3 * (5_000 - 500) - (6_250 - 5_000))
    assert (row.workflow, row.model, row.last_used_ms) == ("triage", OPUS, NOW * 1000)
    assert "5m" in row.why


def test_what_parts_of_a_path_saved_adds_up_to_what_all_saved() -> None:
    lab = Lab()
    for number in range(12):
        document = text(long_text(f"document {number // 4}", 800))
        lab.call(float(number), a_body(SYSTEM, [document, text(f"{number}?")]))
    rows = lab.book.rows(NOW)
    assert sum(row.saved_nanousd for row in rows) == lab.uncached - lab.paid
    assert len(rows) == 4


def test_the_same_job_again_tells_nothing_new() -> None:
    book = PrefixBook()
    for _ in range(5):
        plan = begun(book, 1)
        book.give_up(1, a_job(1), plan)
    begun(book, 1, NOW + 400)
    entry = book.entry(OPUS, "aaaa")
    assert entry is not None
    assert entry.sightings == 1


def test_what_was_learned_survives_a_restart() -> None:
    book = a_warm_book("1h")
    begun(book, 3, NOW + 10)
    successor = PrefixBook(CacheSettings())
    successor.recall(json.loads(json.dumps(book.memory())))
    assert successor.rows(NOW + 10) == book.rows(NOW + 10)
    assert decided(successor, NOW + 3_000) == Plan(Turn.GO, (Mark("aaaa", "1h", writes=False),))
    assert successor.memory() == book.memory()


@pytest.mark.parametrize("memory", [None, 3, {}, {"prefixes": [{}]}, {"prefixes": [{"group": 1}]}])
def test_a_memory_that_cannot_be_read_is_left_out(memory: object) -> None:
    book = PrefixBook()
    book.recall(memory)
    assert decided(book).turn is Turn.LEAD


def test_a_leader_is_not_remembered() -> None:
    book = PrefixBook()
    begun(book)
    successor = PrefixBook()
    successor.recall(book.memory())
    assert decided(successor).turn is Turn.LEAD


def test_the_book_stays_small() -> None:
    book = PrefixBook()
    for number in range(ENTRIES_KEPT + 10):
        begun(book, number, NOW + number / 1000, f"{number:x}")
    for number in range(ENTRIES_KEPT + 10):
        book.give_up(number, a_job(number), Plan(Turn.LEAD, (Mark(f"{number:x}", "5m", writes=True),)))
    book.forget(NOW + 10)
    assert len(book.rows(NOW + 10)) == ENTRIES_KEPT
    book.forget(NOW + 4_000)
    assert book.rows(NOW + 4_000) == ()


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
    book, now, number = PrefixBook(CacheSettings(ttl="5m")), NOW, 0
    out: dict[int, tuple[float, Plan]] = {}
    writing: dict[int, float] = {}
    warm_until = -1.0
    for gap_s, what, which in happenings:
        now += gap_s
        if what == "ask":
            number += 1
            plan = decided(book, now, a_job(number))
            if plan.turn is Turn.LEAD:
                assert now >= warm_until
                assert all(now - since >= LEADER_PATIENCE_S for since in writing.values())
                writing[number] = now
            if plan.turn is not Turn.WAIT:
                book.start(a_job(number), plan, RATES, now)
                out[number] = (now, plan)
        elif out:
            job = list(out)[which % len(out)]
            sent_at, plan = out[job]
            writing.pop(job, None)
            if what == "failed":
                del out[job]
                book.give_up(job, a_job(job), plan)
                continue
            book.began(job, OPUS, plan, sent_at)
            warm_until = max(warm_until, sent_at + 300.0)
            if what == "ended":
                del out[job]
                kind = "cache_write_5m_tokens" if plan.written else "cache_read_tokens"
                usage: dict[str, Any] = {kind: 2_000}
                answered(book, plan, job, sent_at, **usage)
