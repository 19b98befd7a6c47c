"""The cached share of a workflow, its fall after a change, and prefixes that never stay."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeflow.policy.caching.share import WINDOW_CALLS, Cause, Reading, Share, version_of
from claudeflow.policy.caching.watch import ENOUGH_CALLS, CacheWatch, Churn, Fall

PROMPT, READ = 6_000, 5_000


def readings(
    number: int,
    version: str | None = "v1",
    *,
    read: int = READ,
    prompt: int = PROMPT,
    name: str | None = "triage",
    from_ms: int = 0,
    every_ms: int = 1_000,
    workflow: str = "tickets",
    write: int = 0,
) -> Iterator[Reading]:
    """Calls of one version, one after the other."""
    for index in range(number):
        at_ms = from_ms + index * every_ms
        yield Reading(workflow, name, version, version, prompt, read, at_ms, write)


def changed_prompt(after: Iterable[Reading]) -> list[Fall | Churn]:
    """What is found when a prompt that was well cached is followed by `after`."""
    watch = CacheWatch()
    before = noted(watch, [*readings(1, read=0), *readings(99)])
    assert before == []
    return noted(watch, after)


def noted(watch: CacheWatch, calls: Iterable[Reading]) -> list[Fall | Churn]:
    return [found for call in calls for found in watch.note(call)]


def share_of(watch: CacheWatch) -> Share:
    [(whole, _)] = watch.shares()
    return whole


# The share


def test_the_share_is_tokens_read_over_all_tokens() -> None:
    watch = CacheWatch()
    noted(watch, [*readings(1, read=0, prompt=10_000), *readings(3, read=5_000, prompt=10_000)])
    assert (share_of(watch).cached, share_of(watch).calls) == (0.375, 4)


def test_the_share_is_of_the_newest_calls() -> None:
    watch = CacheWatch()
    noted(watch, [*readings(WINDOW_CALLS, read=0), *readings(WINDOW_CALLS)])
    assert share_of(watch).cached == pytest.approx(READ / PROMPT)
    assert share_of(watch).calls == WINDOW_CALLS


def test_every_version_has_a_share_of_its_own_the_newest_first() -> None:
    watch = CacheWatch()
    noted(watch, [*readings(30, "v1"), *readings(30, "v2", read=0)])
    [(whole, versions)] = watch.shares()
    assert [(share.version, round(share.cached, 2)) for share in versions] == [("v2", 0.0), ("v1", 0.83)]
    assert whole.cached == pytest.approx(READ / PROMPT / 2)


def test_a_call_without_usage_says_nothing() -> None:
    watch = CacheWatch()
    noted(watch, readings(5, prompt=0, read=0))
    assert watch.shares() == ()


@pytest.mark.parametrize(
    ("prompt_version", "prefix", "version"),
    [
        ("v1", "aaaa/doc:bbbb", "v1"),
        (None, "aaaa", "aaaa"),
        (None, "aaaa/doc:bbbb", "aaaa"),
        (None, "doc:bbbb/turn:cccc", None),
        (None, "1h:aaaa/5m:bbbb", "aaaa"),
        (None, None, None),
    ],
)
def test_a_version_is_the_prompts_or_tools_and_system(
    prompt_version: str | None, prefix: str | None, version: str | None
) -> None:
    assert version_of(prompt_version, prefix) == version


# Falls


def test_a_fall_after_a_change_names_both_versions_and_both_shares() -> None:
    [fall] = changed_prompt(readings(40, "v2", read=500))
    assert isinstance(fall, Fall)
    assert (fall.workflow, fall.prompt_name) == ("tickets", "triage")
    assert (fall.from_version, fall.version) == ("v1", "v2")
    assert (round(fall.before, 2), round(fall.after, 2)) == (0.82, 0.08)
    assert fall.calls == ENOUGH_CALLS


def test_a_change_that_is_written_once_and_read_from_then_on_is_no_fall() -> None:
    assert changed_prompt([*readings(1, "v2", read=0), *readings(150, "v2")]) == []


def test_several_prefixes_that_are_written_once_each_are_no_fall() -> None:
    watch = CacheWatch()
    noted(watch, readings(100, "aaaa", name=None))
    new = [f"bbb{number}" for number in range(8)]
    writes = [call for prefix in new for call in readings(1, prefix, name=None, read=0)]
    assert noted(watch, [*writes, *readings(30, "bbb7", name=None)]) == []


def test_what_goes_cold_again_and_again_is_not_the_changes_fault() -> None:
    assert changed_prompt(readings(60, "v2", read=0, every_ms=400_000)) == []


def test_a_prompt_that_cannot_be_cached_any_more_is_a_fall() -> None:
    calls = [Reading("tickets", "triage", "v2", None, PROMPT, 0, at) for at in range(30)]
    [fall] = changed_prompt(calls)
    assert isinstance(fall, Fall)
    assert (fall.after, fall.cause) == (0.0, Cause.NOTHING_CACHED)


@pytest.mark.parametrize(
    ("calls", "cause"),
    [
        ([*readings(40, "v2", read=0)], Cause.NOTHING_CACHED),
        ([*readings(40, "v2", read=0, write=READ)], Cause.MISSES),
        ([*readings(1, "v2", read=0, write=READ), *readings(40, "v2", read=0)], Cause.MISSES),
        ([*readings(1, "v2", read=0, write=600), *readings(40, "v2", read=600)], Cause.SMALLER_PART),
        ([*readings(40, "v2", read=600, write=READ)], Cause.MISSES),
        (
            [call for _ in range(40) for call in (*readings(1, "v2"), *readings(3, "v2", read=0))],
            Cause.MISSES,
        ),
        ([*readings(40, "v2", prompt=4 * PROMPT)], Cause.LONGER_MESSAGES),
    ],
)
def test_a_fall_names_what_the_counts_show_as_its_cause(calls: list[Reading], cause: Cause) -> None:
    [fall] = changed_prompt(calls)
    assert isinstance(fall, Fall)
    assert fall.cause is cause


def test_jobs_of_the_old_version_do_not_hide_a_fall() -> None:
    mixed = [call for _ in range(40) for call in (*readings(4), *readings(1, "v2", read=500))]
    [fall] = changed_prompt(mixed)
    assert isinstance(fall, Fall)
    assert fall.version == "v2"


def test_one_long_document_is_no_fall() -> None:
    calls = [*readings(10, "v2"), *readings(1, "v2", prompt=200_000), *readings(30, "v2")]
    assert changed_prompt(calls) == []


def test_a_share_that_loses_a_few_points_is_no_fall() -> None:
    assert changed_prompt(readings(100, "v2", read=4_300)) == []


def test_a_fall_without_a_change_is_not_told_as_one() -> None:
    assert changed_prompt(readings(100, read=0)) == []


def test_a_fall_is_told_once_and_the_next_change_is_compared_with_it() -> None:
    watch = CacheWatch()
    noted(watch, readings(100))
    assert len(noted(watch, readings(150, "v2", read=2_000))) == 1
    assert noted(watch, readings(150, "v3", read=1_900)) == []
    [fall] = noted(watch, readings(150, "v4", read=300))
    assert isinstance(fall, Fall)
    assert (fall.from_version, fall.version, round(fall.before, 2)) == ("v3", "v4", 0.32)


def test_a_workflow_that_has_just_begun_has_nothing_to_fall_from() -> None:
    watch = CacheWatch()
    assert noted(watch, [*readings(ENOUGH_CALLS - 1), *readings(100, "v2", read=0)]) == []


def test_of_whole_requests_a_new_prefix_counts_as_far_as_it_lowers_the_workflow() -> None:
    watch = CacheWatch()
    noted(watch, readings(100, "aaaa", name=None))
    few = [
        call
        for at in range(30)
        for call in (
            *readings(4, "aaaa", name=None, from_ms=at * 5_000),
            *readings(1, "bbbb", name=None, read=500, from_ms=at * 5_000 + 4_500),
        )
    ]
    assert noted(watch, few) == []
    [fall] = noted(watch, readings(60, "cccc", name=None, read=500))
    assert isinstance(fall, Fall)
    assert (fall.version, fall.prompt_name) == ("cccc", None)


# Churn


def churning(first: int, number: int = 40) -> Iterator[Reading]:
    for index in range(first, first + number):
        yield from readings(1, f"{index:04x}", name=None, read=0, from_ms=index * 1_000)


def test_a_prefix_that_is_new_in_each_call_churns_and_is_told_once() -> None:
    watch = CacheWatch()
    [churn] = [found for found in noted(watch, churning(0, 200)) if isinstance(found, Churn)]
    assert (churn.workflow, churn.prompt_name) == ("tickets", None)
    assert churn.new_prefixes == churn.calls == 40


def test_churn_that_ends_and_begins_again_is_told_again() -> None:
    watch = CacheWatch()
    noted(watch, churning(0, 60))
    assert noted(watch, readings(40, "0001", name=None, from_ms=60_000)) == []
    found = noted(watch, churning(1_000, 60))
    assert [type(one) for one in found if isinstance(one, Churn)] == [Churn]


def test_many_prefixes_in_turn_are_no_churn() -> None:
    watch = CacheWatch()
    calls = [call for turn in range(6) for call in churning(0, 30)]
    assert [one for call in calls for one in watch.note(call) if isinstance(one, Churn)] == []


def test_a_document_of_its_own_in_each_call_is_no_churn() -> None:
    calls = [
        Reading("tickets", None, "aaaa", f"aaaa/doc:{number:04x}", PROMPT, READ, number)
        for number in range(60)
    ]
    assert noted(CacheWatch(), calls) == []


def test_prefixes_of_messages_alone_are_no_churn() -> None:
    calls = [Reading("tickets", None, None, f"doc:{number:04x}", PROMPT, 0, number) for number in range(60)]
    assert noted(CacheWatch(), calls) == []


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, PROMPT), st.integers(0, 10_000)), max_size=400))
def test_whatever_comes_shares_stay_within_bounds(calls: list[tuple[int, int, int]]) -> None:
    watch, clock = CacheWatch(), count(0)
    for version, read, gap_ms in calls:
        at_ms = next(clock) * 1_000 + gap_ms
        watch.note(Reading("w", None, f"{version}", f"{version}", PROMPT, read, at_ms))
    for whole, versions in watch.shares():
        assert all(0.0 <= share.cached <= 1.0 for share in (whole, *versions))
