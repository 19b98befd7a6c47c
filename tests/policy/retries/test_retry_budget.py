"""Retries are a small share of the traffic and never come in a herd."""

from __future__ import annotations

from bisect import bisect_left
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeflow.policy.retries.retry import RetrySettings, backoff_bound_s
from claudeflow.policy.retries.retry_budget import BudgetSettings, RetryBudget

SETTINGS = BudgetSettings(share=0.1, floor_per_s=0.5, burst=10.0)


def busiest(moments: list[float], within_s: float = 0.1) -> int:
    """The most moments within any stretch of time so long."""
    moments = sorted(moments)
    return max(bisect_left(moments, start + within_s) - n for n, start in enumerate(moments))


def test_a_few_retries_need_not_wait() -> None:
    budget = RetryBudget(SETTINGS, now=0.0)
    assert [budget.retry(0.0, 0.5) for _ in range(10)] == [0.0] * 10


def test_when_the_budget_is_empty_each_retry_has_a_turn_of_its_own() -> None:
    budget = RetryBudget(SETTINGS, now=0.0)
    turns = [budget.retry(0.0, 0.0) for _ in range(14)][10:]
    assert turns == [2.0, 4.0, 6.0, 8.0]
    assert budget.retry(0.0, 0.75) == 2.0 * 5.75


def test_an_empty_budget_refills_by_the_floor_when_there_is_no_traffic() -> None:
    budget = RetryBudget(SETTINGS, now=0.0)
    for _ in range(12):
        budget.retry(0.0, 0.0)
    assert budget.retry(6.0, 0.0) == 0.0
    assert budget.retry(6.0, 0.0) == 2.0


def test_the_budget_is_never_more_than_its_burst() -> None:
    budget = RetryBudget(SETTINGS, now=0.0)
    assert sum(budget.retry(1e6, 0.5) == 0.0 for _ in range(50)) == 10


def test_time_that_goes_back_gives_nothing() -> None:
    budget = RetryBudget(SETTINGS, now=100.0)
    for _ in range(11):
        budget.retry(100.0, 0.0)
    assert budget.retry(50.0, 0.0) == 4.0


def test_new_settings_hold_from_now_on() -> None:
    budget = RetryBudget(SETTINGS, now=0.0)
    budget.reconfigure(BudgetSettings(share=0.1, floor_per_s=4.0, burst=10.0))
    assert [budget.retry(0.0, 0.0) for _ in range(12)][10:] == [0.25, 0.5]


@pytest.mark.parametrize("per_s", [1.0, 20.0, 160.0])
def test_retries_are_a_tenth_of_the_traffic_and_the_floor_whatever_fails(per_s: float) -> None:
    budget, chance = RetryBudget(SETTINGS, now=0.0), Random(3)
    firsts, retries = int(per_s * 600), []
    for number in range(firsts):
        now = number / per_s
        budget.first_attempt(now)
        retries.append(now + budget.retry(now, chance.random()))
    in_time = sum(moment <= 600.0 for moment in retries)
    assert in_time <= 0.1 * firsts + 0.5 * 600 + 10
    assert in_time >= 0.75 * min(firsts, 0.1 * firsts + 0.5 * 600)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("failing", [100, 400, 2_500])
def test_calls_that_fail_together_are_not_retried_together(seed: int, failing: int) -> None:
    budget, chance = RetryBudget(SETTINGS, now=0.0), Random(seed)
    now = 60.0
    for number in range(failing * 10):
        budget.first_attempt(now * number / (failing * 10))
    bound_s = backoff_bound_s(0, RetrySettings())
    turns = [max(chance.random() * bound_s, budget.retry(now, chance.random())) for _ in range(failing)]
    assert busiest(turns) <= 0.05 * failing


@given(
    st.lists(st.tuples(st.floats(0, 30), st.booleans()), max_size=200),
    st.floats(0, 1, exclude_max=True),
)
def test_a_turn_is_never_in_the_past_and_never_infinitely_far(
    steps: list[tuple[float, bool]], jitter: float
) -> None:
    budget, now, retries = RetryBudget(SETTINGS, now=0.0), 0.0, 0
    for step, is_retry in steps:
        now += step
        if not is_retry:
            budget.first_attempt(now)
            continue
        retries += 1
        assert 0.0 <= budget.retry(now, jitter) <= 2.0 * (retries + 1)
