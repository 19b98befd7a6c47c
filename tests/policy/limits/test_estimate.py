"""What a call will draw, learned from what calls like it drew."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeflow.domain.quota import Demand
from claudeflow.domain.usage import Usage
from claudeflow.policy.limits.estimate import FIRST_GUESS_OUTPUT_TOKENS, MOST_KINDS, Estimator
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
    ordinary, odd = Usage(input_tokens=500, output_tokens=100), Usage(input_tokens=500, output_tokens=9_000)
    estimator = taught(*[ordinary] * 19, odd)
    assert estimator.demand(JOB, warm=False).output_tokens == pytest.approx(145)


def test_the_first_calls_count_alike() -> None:
    estimator = taught(Usage(input_tokens=500, output_tokens=100), Usage(input_tokens=500, output_tokens=300))
    assert estimator.demand(JOB, warm=False).output_tokens == pytest.approx(200)


def test_while_the_pool_is_held_outputs_teach_nothing_but_inputs_do() -> None:
    estimator = taught(Usage(input_tokens=500, output_tokens=100))
    estimator.learn("triage", MODEL, 1_000, Usage(input_tokens=1_500, output_tokens=9_000), held=True)
    demand = estimator.demand(JOB, warm=False)
    assert demand.output_tokens == 100
    assert demand.input_tokens == pytest.approx(3_200)


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


def test_how_long_calls_take_is_learned_unless_the_pool_is_held() -> None:
    estimator = Estimator()
    assert estimator.duration_s(JOB) is None
    usage = Usage(input_tokens=500, output_tokens=90)
    estimator.learn("triage", MODEL, 1_000, usage, held=False, duration_s=4.0)
    estimator.learn("triage", MODEL, 1_000, usage, held=True, duration_s=90.0)
    estimator.learn("triage", MODEL, 1_000, usage, held=False)
    assert estimator.duration_s(JOB) == 4.0


def test_a_text_draws_at_least_some_of_its_bytes_and_an_image_perhaps_nothing() -> None:
    text = a_candidate(1, input_bytes=8_000, most_input_tokens=8_000)
    image = a_candidate(1, input_bytes=8_000, most_input_tokens=18_000)
    cached = a_candidate(1, input_bytes=8_000, most_input_tokens=8_000, prefix="p")
    estimator = Estimator()
    assert estimator.at_least(text) == Demand(1_000.0, 0.0)
    assert estimator.at_least(image) == estimator.at_least(cached) == Demand(0.0, 0.0)


def test_the_least_that_was_ever_drawn_is_the_bound_once_enough_was_seen() -> None:
    usages = [Usage(input_tokens=tokens, output_tokens=1) for tokens in (500, 300, 400, 500, 500)]
    assert taught(*usages[:4]).at_least(JOB).input_tokens == 0.0
    assert taught(*usages).at_least(JOB).input_tokens == pytest.approx(0.8 * 0.3 * 3_200)


def test_the_kind_not_heard_of_for_longest_is_forgotten() -> None:
    estimator, usage = Estimator(), Usage(input_tokens=1, output_tokens=1)
    for kind in [*map(str, range(MOST_KINDS)), "0", "new"]:
        estimator.learn(kind, MODEL, 1, usage, held=False)
    kinds = [row[0] for row in estimator.memory()]
    assert len(kinds) == MOST_KINDS
    assert kinds[-2:] == ["0", "new"]
    assert "1" not in kinds
