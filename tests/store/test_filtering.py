"""Filters in SQL mean what they mean without it; they go by an index and look at a bounded number of ids."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from claudeflow.domain.job import JobState
from claudeflow.domain.job_filter import Comparison, Field, Number, Term, Terms, Words
from claudeflow.intake.filter_text import read_filter
from claudeflow.store import filtering
from claudeflow.store.jobs import cancel, job
from tests.store.builders import NOW_MS, a_connection, queued
from tests.support.terms import meets

NASTY = ["bulk", "BULK", "a*b", "a?b", "a[b]c", "x' OR 1=1 --", 'say "hi"', "%", "_", "", "é", ":t0", "a b"]
KEYS = ["team", "a.b", 'q"uote', "$"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> sqlite3.Connection:
    """Jobs of all kinds, the same for every example: nothing here writes."""
    raw = a_connection(tmp_path_factory.mktemp("filters") / "store.db")
    for number, text in enumerate(NASTY * 4):
        job_id = queued(
            raw,
            NOW_MS - number * 60_000,
            lane=text or "bulk",
            workflow=NASTY[-number % len(NASTY)] or "w",
            dedupe_key=f"{text}{number // len(NASTY)}" if number % 3 else None,
            metadata={KEYS[number % 4]: text} if number % 2 else {},
            submitted_by=text if number % 5 else None,
            priority=number % 7 - 3,
            batched=number % 4 == 0,
        )
        if number % 3 == 0:
            cancel(raw, job_id, NOW_MS)
    return raw


def ids(raw: sqlite3.Connection, terms: Terms) -> list[int]:
    found, next_id = filtering.matches(raw, terms, NOW_MS, None)
    assert next_id is None
    return [one.id for one in found]


TEXTS = st.sampled_from([*NASTY, "a*", "*b*", "*", "x*", "cancelled", "a[*"])
WORDS = st.builds(
    Words,
    st.lists(TEXTS, min_size=1, max_size=3).map(tuple),
    st.lists(TEXTS.filter(lambda text: "*" in text), max_size=2).map(tuple),
)
TERM = st.one_of(
    st.builds(
        Term,
        st.sampled_from([Field.LANE, Field.WORKFLOW, Field.DEDUPE, Field.SUBMITTED_BY]),
        WORDS,
        is_not=st.booleans(),
    ),
    st.builds(Term, st.just(Field.METADATA), WORDS, st.sampled_from(KEYS), st.booleans()),
    st.builds(Term, st.just(Field.ERROR), WORDS, is_not=st.booleans()),
    st.builds(
        Term,
        st.just(Field.STATE),
        st.builds(
            Words,
            st.lists(st.sampled_from([s.value for s in JobState]), min_size=1, max_size=2, unique=True).map(
                tuple
            ),
        ),
        is_not=st.booleans(),
    ),
    st.builds(Term, st.just(Field.BATCH), st.booleans(), is_not=st.booleans()),
    st.builds(
        Term,
        st.sampled_from([Field.PRIORITY, Field.ID, Field.ATTEMPTS, Field.COST]),
        st.builds(Number, st.sampled_from(Comparison), st.integers(-4, 60)),
        is_not=st.booleans(),
    ),
    st.builds(
        Term,
        st.just(Field.AGE),
        st.builds(Number, st.sampled_from(Comparison), st.integers(0, 60).map(lambda n: n * 60_000)),
        is_not=st.booleans(),
    ),
)


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(TERM, max_size=3).map(lambda terms: Terms(tuple(terms))))
def test_sql_finds_what_the_terms_mean(store: sqlite3.Connection, terms: Terms) -> None:
    everything = [job(store, one) for one in ids(store, Terms())]  # type: ignore[arg-type]
    wanted = [record.id for record in everything if meets(record, terms, NOW_MS)]
    assert ids(store, terms) == wanted
    page = filtering.page(store, terms, NOW_MS, before_id=None, limit=500)
    assert [record.id for record in page.jobs] == wanted
    all_ids = [int(record.id) for record in everything]
    assert filtering.still_matching(store, terms, NOW_MS, all_ids) == set(wanted)


@pytest.mark.parametrize("text", ["x' OR 1=1 --", ":t0", 'say "hi"'])
def test_no_text_of_a_caller_is_part_of_the_statement(text: str) -> None:
    plain = [Term(field, Words((text,))) for field in (Field.LANE, Field.DEDUPE, Field.ERROR)]
    terms = Terms((*plain, Term(Field.METADATA, Words((text,)), text)))
    found = filtering.compiled(terms, NOW_MS)
    assert text == ":t0" or text not in found.sql
    assert list(found.values.values()).count(text) == 6


def test_pages_follow_each_other_without_gaps_or_repeats(store: sqlite3.Connection) -> None:
    terms = read_filter("-state:cancelled")
    seen: list[int] = []
    before_id = None
    while True:
        page = filtering.page(store, terms, NOW_MS, before_id=before_id, limit=7)
        seen += [record.id for record in page.jobs]
        before_id = page.next_id
        if before_id is None:
            break
    assert seen == ids(store, terms)


def test_one_question_goes_over_so_many_ids_and_says_where_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filtering, "LOOKED_AT", 10)
    raw = a_connection(tmp_path / "store.db")
    first, *_ = [queued(raw) for _ in range(35)]
    cancel(raw, first, NOW_MS)
    rare = read_filter("-state:queued")
    page = filtering.page(raw, rare, NOW_MS, before_id=None, limit=5)
    assert (page.jobs, page.next_id) == ([], 26)
    found, next_id = filtering.matches(raw, rare, NOW_MS, 16)
    assert (found, next_id) == ([], 6)
    found, next_id = filtering.matches(raw, rare, NOW_MS, 6)
    assert ([one.id for one in found], next_id) == ([1], None)
    by_index = filtering.page(raw, read_filter("state:cancelled"), NOW_MS, before_id=None, limit=5)
    assert ([record.id for record in by_index.jobs], by_index.next_id) == ([1], None)
    raw.close()


@pytest.mark.parametrize(
    ("text", "plan"),
    [
        (
            "state:failed lane:bulk",
            "SEARCH jobs USING INDEX jobs_unsuccessful (state=? AND rowid>? AND rowid<?)",
        ),
        ("lane:bulk", "SEARCH jobs USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
    ],
)
def test_filters_go_by_an_index(store: sqlite3.Connection, text: str, plan: str) -> None:
    where = filtering.compiled(read_filter(text), NOW_MS)
    sql = (
        f"EXPLAIN QUERY PLAN SELECT id FROM jobs {where.index} "
        f"WHERE id < 9 AND id >= 1 AND {where.sql} ORDER BY id DESC LIMIT 5"
    )
    steps = [row[3] for row in store.execute(sql, where.values)]
    assert steps == [plan]
