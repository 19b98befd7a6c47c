"""Canaries: when two answers agree, and when a prompt is packed no more."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeflow.policy.packing.canary import (
    LEAST_CANARIES,
    MOST_VERSIONS,
    DisagreementBook,
    Verdict,
    agree,
    lower_bound,
    picks,
)


@pytest.mark.parametrize(
    ("packed", "single", "is_same"),
    [
        ({"a": 1, "b": [1, 2]}, {"b": [1, 2], "a": 1.0}, True),
        ({"a": 1}, {"a": 1, "b": None}, False),
        ([1, 2], [2, 1], False),
        ([1, 2], [1, 2, 3], False),
        (1, True, False),
        ({"a": [False]}, {"a": [0]}, False),
        (True, True, True),
        ("1", 1, False),
        ({}, [], False),
        ([], {}, False),
        (None, None, True),
        (None, {}, False),
        ({"a": {"b": "x"}}, {"a": {"b": "y"}}, False),
    ],
)
def test_whole_answers_agree_when_they_are_equal_json(packed: Any, single: Any, is_same: bool) -> None:
    assert agree(packed, single) is is_same


ROUTED = {"label": "a", "route": {"team": "x", "why": "because"}}


@pytest.mark.parametrize(
    ("single", "is_same"),
    [
        ({"label": "a", "route": {"team": "x", "why": "so"}, "more": 1}, True),
        ({"label": "b", "route": {"team": "x"}}, False),
        ({"label": "a", "route": {"team": "y"}}, False),
        ({"label": "a", "route": {}}, False),
        ({"label": "a", "route": "x"}, False),
        ({"route": {"team": "x"}}, False),
        ([], False),
    ],
)
def test_with_fields_nothing_else_is_compared(single: Any, is_same: bool) -> None:
    assert agree(ROUTED, single, ["label", "route.team"]) is is_same
    assert agree(single, ROUTED, ["label", "route.team"]) is is_same


def test_a_field_that_neither_has_is_no_difference_and_null_is_not_absent() -> None:
    assert agree({"a": 1}, {"a": 2}, ["note"])
    assert not agree({"note": None}, {}, ["note"])


def test_answers_of_any_depth_are_compared() -> None:
    one: Any = 1
    other: Any = 2
    for _ in range(10_000):
        one, other = [one], [other]
    assert agree(one, one)
    assert not agree(one, other)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-3, 3) | st.text(max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner),
)


@given(JSON, JSON)
def test_agreeing_means_the_same_when_written_with_sorted_keys(one: Any, other: Any) -> None:
    def written(value: Any) -> str:
        return json.dumps(json.loads(json.dumps(value), parse_int=float), sort_keys=True).replace(
            "-0.0", "0.0"
        )

    assert agree(one, other) is (written(one) == written(other))
    assert agree(one, json.loads(json.dumps(one)))


def test_so_many_jobs_become_canaries_as_the_share_says() -> None:
    assert [picks(0.02, chance) for chance in (0.0, 0.0199, 0.02, 0.99)] == [True, True, False, False]
    assert not picks(0.0, 0.0)
    assert picks(1.0, 0.999999)


@pytest.mark.parametrize(("wrong", "number", "bound"), [(0, 10, 0.0), (2, 5, 0.1435), (10, 100, 0.0611)])
def test_the_lower_bound_is_wilsons(wrong: int, number: int, bound: float) -> None:
    assert lower_bound(wrong / number, number) == pytest.approx(bound, abs=0.0005)


def noted(
    book: DisagreementBook, *agreed: bool, version: str = "v1", limit: float = 0.05
) -> list[Verdict | None]:
    return [book.note("triage", version, limit, agreed=one) for one in agreed]


def test_a_prompt_that_disagrees_is_packed_no_more() -> None:
    book = DisagreementBook()
    *before, verdict = noted(book, True, True, True, False, False)
    assert before == [None] * 4
    assert verdict is not None
    assert verdict.why == (
        "prompt triage is packed no more: 2 of 5 canaries disagree, which shows a rate of 14.5% at least, "
        "and 5.0% are allowed; change the prompt, or reset it to pack again"
    )
    assert book.is_unpacked("triage", "v1")


def test_a_few_canaries_decide_nothing() -> None:
    book = DisagreementBook()
    assert noted(book, *[False] * (LEAST_CANARIES - 1)) == [None] * (LEAST_CANARIES - 1)
    assert not book.is_unpacked("triage", "v1")
    assert noted(book, False)[0] is not None


def test_one_disagreement_among_few_is_not_enough() -> None:
    book = DisagreementBook()
    assert noted(book, True, True, True, True, False) == [None] * 5
    assert not book.is_unpacked("triage", "v1")


def test_a_prompt_may_be_allowed_to_disagree() -> None:
    book = DisagreementBook()
    assert noted(book, *[False] * 50, limit=1.0) == [None] * 50


def test_the_verdict_is_told_once_and_stands_whatever_comes() -> None:
    book = DisagreementBook()
    verdicts = noted(book, *[False] * 20, *[True] * 300)
    assert sum(verdict is not None for verdict in verdicts) == 1
    assert book.is_unpacked("triage", "v1")


def test_a_prompt_that_begins_to_disagree_is_found_after_many_good_canaries() -> None:
    book = DisagreementBook()
    noted(book, *[True] * 5_000)
    verdicts = noted(book, *[False] * 20)
    assert any(verdict is not None for verdict in verdicts)


def test_versions_and_prompts_are_judged_apart() -> None:
    book = DisagreementBook()
    noted(book, *[False] * 5)
    assert not book.is_unpacked("triage", "v2")
    assert not book.is_unpacked("other", "v1")
    assert noted(book, *[True] * 5, version="v2") == [None] * 5


def test_a_reset_forgets_all_versions_of_a_prompt_and_no_other() -> None:
    book = DisagreementBook()
    noted(book, *[False] * 5)
    noted(book, *[False] * 5, version="v2")
    book.note("other", "v1", 0.05, agreed=True)
    assert book.reset("triage")
    assert [row.prompt for row in book.status()] == ["other"]
    assert not book.is_unpacked("triage", "v1")
    assert not book.reset("triage")
    assert noted(book, *[False] * 4) == [None] * 4


def test_the_status_shows_the_last_heard_of_first() -> None:
    book = DisagreementBook()
    noted(book, *[False] * 5)
    noted(book, True, True, version="v2")
    first, second = book.status()
    assert (first.version, first.canaries, first.disagreements, first.rate) == ("v2", 2, 0, 0.0)
    assert (second.version, second.canaries, second.disagreements, second.rate) == ("v1", 5, 5, 1.0)
    assert (first.is_unpacked, second.is_unpacked) == (False, True)


def test_what_canaries_have_shown_outlives_a_restart() -> None:
    before, after = DisagreementBook(), DisagreementBook()
    noted(before, *[False] * 5)
    noted(before, True, False, version="v2")
    after.recall(json.loads(json.dumps(before.memory())))
    assert after.status() == before.status()
    assert after.is_unpacked("triage", "v1")
    assert noted(after, *[False] * 3, version="v2") == noted(before, *[False] * 3, version="v2")


def test_the_version_not_heard_of_for_longest_is_forgotten_unless_it_is_packed_no_more() -> None:
    book = DisagreementBook()
    noted(book, *[False] * 5, version="bad")
    for number in range(MOST_VERSIONS + 5):
        noted(book, True, version=str(number))
    versions = [row.version for row in book.status()]
    assert len(versions) == MOST_VERSIONS
    assert "bad" in versions
    assert "0" not in versions


def test_where_all_others_are_packed_no_more_the_oldest_makes_room_and_the_newest_is_still_judged() -> None:
    book = DisagreementBook()
    for number in range(MOST_VERSIONS):
        noted(book, *[False] * 5, version=str(number))
    verdicts = noted(book, *[False] * 5, version="new")
    assert verdicts[-1] is not None
    versions = [row.version for row in book.status()]
    assert len(versions) == MOST_VERSIONS
    assert versions[0] == "new"
    assert not book.is_unpacked("triage", "0")
    assert book.is_unpacked("triage", "1")


def test_a_memory_of_too_many_versions_that_are_packed_no_more_shrinks_with_the_next_canary() -> None:
    book = DisagreementBook()
    book.recall([["triage", str(number), 5, 5, 5.0, 5.0, True] for number in range(MOST_VERSIONS + 3)])
    noted(book, True, version=str(MOST_VERSIONS))
    versions = [row.version for row in book.status()]
    assert len(versions) == MOST_VERSIONS
    assert not {"0", "1", "2"} & set(versions)
