"""What a call will draw, learned from what calls like it drew."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeflow.domain.quota import Demand
from claudeflow.domain.usage import Usage
from claudeflow.policy.estimate import FIRST_GUESS_OUTPUT_TOKENS, Estimator
from tests.policy.builders import a_candidate

MODEL = "claude-haiku-5-5"
JOB = a_candidate(1, input_bytes=3_200, max_tokens=5_000)


def taught(*usages: Usage, held: bool = False) -> Estimator:
    """An estimator that has seen calls of 1,000 bytes."""
    estimator = Estimator()
    for usage in usages:
        estimator.learn("triage", MODEL, 1_000, usage, held=held)
    return estimator


def test_the_first_guess_goes_by_the_size_of_the_input() -> None:
    assert Estimator().demand(JOB, warm=False) == Demand(1_000.0, FIRST_GUESS_OUTPUT_TOKENS)


def test_what_was_drawn_replaces_the_guess() -> None:
    estimator = taught(Usage(input_tokens=500, output_tokens=90))
    assert estimator.demand(JOB, warm=False) == Demand(1_600.0, 90.0)


def test_an_output_is_never_expected_to_exceed_max_tokens() -> None:
    estimator = taught(Usage(input_tokens=500, output_tokens=90))
    assert estimator.demand(a_candidate(1, max_tokens=20), warm=False).output_tokens == 20


def test_a_warm_prefix_draws_what_warm_calls_drew() -> None:
    cold = Usage(input_tokens=50, cache_write_5m_tokens=450, output_tokens=90)
    warm = Usage(input_tokens=50, cache_read_tokens=450, output_tokens=90)
    estimator = taught(cold, warm)
    assert estimator.demand(JOB, warm=False).input_tokens == pytest.approx(1_600)
    assert estimator.demand(JOB, warm=True).input_tokens == pytest.approx(160)


def test_a_warm_prefix_that_nobody_has_seen_yet_draws_like_a_cold_one() -> None:
    estimator = taught(Usage(input_tokens=500, output_tokens=90))
    assert estimator.demand(JOB, warm=True) == estimator.demand(JOB, warm=False)


def test_a_single_odd_call_moves_the_mean_only_a_little() -> None:
    estimator = taught(
        Usage(input_tokens=500, output_tokens=100), Usage(input_tokens=500, output_tokens=1_100)
    )
    assert estimator.demand(JOB, warm=False).output_tokens == pytest.approx(200)


def test_while_the_pool_is_held_outputs_teach_nothing_but_inputs_do() -> None:
    estimator = taught(Usage(input_tokens=500, output_tokens=100))
    estimator.learn("triage", MODEL, 1_000, Usage(input_tokens=1_500, output_tokens=9_000), held=True)
    demand = estimator.demand(JOB, warm=False)
    assert demand.output_tokens == 100
    assert demand.input_tokens == pytest.approx(1_920)


def test_workflows_and_models_are_learned_apart() -> None:
    estimator = taught(Usage(input_tokens=500, output_tokens=90))
    first_guess = Estimator().demand(JOB, warm=False)
    assert estimator.demand(a_candidate(1, max_tokens=5_000, workflow="other"), warm=False) == first_guess
    assert estimator.demand(a_candidate(1, max_tokens=5_000, model="other"), warm=False) == first_guess


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=50))
def test_the_mean_stays_among_what_was_seen(outputs: list[int]) -> None:
    estimator = taught(*(Usage(input_tokens=1, output_tokens=output) for output in outputs))
    expected = estimator.demand(a_candidate(1, max_tokens=1_000_000), warm=False).output_tokens
    assert max(outputs) == 0 or min(outputs) - 1e-6 <= expected <= max(outputs) + 1e-6


def test_what_was_learned_outlives_a_restart() -> None:
    before = taught(
        Usage(input_tokens=50, cache_write_5m_tokens=450, output_tokens=90),
        Usage(input_tokens=50, cache_read_tokens=450, output_tokens=70),
    )
    after = Estimator()
    after.recall(before.memory())
    for warm in (True, False):
        assert after.demand(JOB, warm=warm) == before.demand(JOB, warm=warm)
    assert after.memory() == before.memory()


def test_an_input_of_no_bytes_divides_by_nothing() -> None:
    estimator = Estimator()
    estimator.learn("triage", MODEL, 0, Usage(input_tokens=7, output_tokens=1), held=False)
    assert estimator.demand(a_candidate(1, input_bytes=2), warm=False).input_tokens == 14
