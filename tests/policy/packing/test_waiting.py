"""Jobs wait for company where that makes room for others, and never past what they may."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeflow.domain.prompt import PackRules
from claudeflow.policy.packing.waiting import (
    ARRIVAL_MEMORY_S,
    MOST_GROUPS,
    PRESSURE,
    ArrivalBook,
    Group,
    wait_until,
)

NOW_MS = 1_000_000
RULES = PackRules(max_items=10, max_input_tokens=2_000, max_wait_s=2.0)
GROUP = Group(
    RULES, queued=3, input_tokens=300.0, oldest_ms=NOW_MS - 500, start_by_ms=None, arrivals_per_s=5.0
)
KEY = ("87b5", "claude-haiku-5-5", "bulk", "triage")


def waits(
    now_ms: int = NOW_MS, pressure: float = 0.8, lane_is_busy: bool = True, **changes: Any
) -> int | None:
    return wait_until(replace(GROUP, **changes), now_ms, pressure=pressure, lane_is_busy=lane_is_busy)


def test_a_group_waits_for_company_until_its_oldest_has_waited_long_enough() -> None:
    assert waits() == NOW_MS + 1_500


def test_a_full_group_goes() -> None:
    assert waits(queued=9) is not None
    assert waits(queued=10) is None


def test_a_group_to_which_no_other_text_of_its_size_fits_goes() -> None:
    assert waits(input_tokens=1_500.0) is not None
    assert waits(input_tokens=1_501.0) is None


def test_nobody_waits_without_pressure() -> None:
    assert waits(pressure=PRESSURE) is not None
    assert waits(pressure=PRESSURE - 0.01) is None


def test_a_group_that_is_alone_in_its_lane_goes() -> None:
    assert waits(lane_is_busy=False) is None


@pytest.mark.parametrize("late_ms", [0, 1, 60_000])
def test_nobody_waits_longer_than_the_prompt_allows(late_ms: int) -> None:
    assert waits(NOW_MS + 1_500 + late_ms, arrivals_per_s=1e9) is None


def test_a_prompt_may_allow_no_wait_at_all() -> None:
    assert waits(rules=replace(RULES, max_wait_s=0.0), oldest_ms=NOW_MS) is None


def test_a_group_goes_when_nobody_else_is_likely_to_come_in_time() -> None:
    assert waits(arrivals_per_s=0.67) is not None
    assert waits(arrivals_per_s=0.66) is None


def test_nobody_waits_past_the_moment_at_which_a_deadline_can_still_be_met() -> None:
    assert waits(start_by_ms=NOW_MS + 400) == NOW_MS + 400
    assert waits(start_by_ms=NOW_MS + 9_000) == NOW_MS + 1_500
    assert waits(start_by_ms=NOW_MS) is None
    assert waits(start_by_ms=NOW_MS - 5_000) is None


def test_a_steady_flow_is_known_after_some_minutes() -> None:
    book = ArrivalBook()
    book.note(KEY, range(0, 600_000, 250))
    assert book.per_s(KEY, 600_000) == pytest.approx(4.0, rel=0.01)


def test_a_new_group_is_believed_in_slowly_and_an_unknown_one_not_at_all() -> None:
    book = ArrivalBook()
    assert book.per_s(KEY, 0) == 0.0
    book.note(KEY, [0])
    assert book.per_s(KEY, 0) == pytest.approx(1 / ARRIVAL_MEMORY_S)


def test_a_flow_that_has_ended_is_forgotten() -> None:
    book = ArrivalBook()
    book.note(KEY, range(0, 600_000, 250))
    assert book.per_s(KEY, 600_000 + 600_000) < 0.001


def test_groups_are_learned_apart() -> None:
    book = ArrivalBook()
    book.note(KEY, range(0, 600_000, 250))
    assert book.per_s((*KEY[:3], "other"), 600_000) == 0.0


@given(st.lists(st.integers(0, 300_000), min_size=1), st.randoms(use_true_random=False))
def test_the_order_in_which_arrivals_are_told_does_not_matter(moments: list[int], chance: Any) -> None:
    told, shuffled = ArrivalBook(), ArrivalBook()
    told.note(KEY, moments)
    mixed = list(moments)
    chance.shuffle(mixed)
    for moment in mixed:
        shuffled.note(KEY, [moment])
    assert shuffled.per_s(KEY, 300_000) == pytest.approx(told.per_s(KEY, 300_000))
    assert 0 < told.per_s(KEY, 0) <= len(moments) / ARRIVAL_MEMORY_S + 1e-9


def test_a_pack_of_nobody_teaches_nothing() -> None:
    book = ArrivalBook()
    book.note(KEY, [])
    assert book.memory() == []


def test_arrivals_outlive_a_restart() -> None:
    before, after = ArrivalBook(), ArrivalBook()
    before.note(KEY, range(0, 60_000, 250))
    before.note(("other",), [5])
    after.recall(json.loads(json.dumps(before.memory())))
    assert after.per_s(KEY, 61_000) == before.per_s(KEY, 61_000)
    assert after.memory() == before.memory()


def test_the_group_not_heard_of_for_longest_is_forgotten() -> None:
    book = ArrivalBook()
    for name in [*map(str, range(MOST_GROUPS)), "0", "new"]:
        book.note((name,), [0])
    names = [row[0][0] for row in book.memory()]
    assert len(names) == MOST_GROUPS
    assert names[-2:] == ["0", "new"]
    assert "1" not in names
