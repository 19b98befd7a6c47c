"""What caching costs by the API's own bill: next to nothing when it is of no use, else near the best."""

from __future__ import annotations

from itertools import accumulate
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claudeflow.policy.caching.settings import CacheSettings
from claudeflow.twin.models import MODELS
from tests.policy.caching.cachelab import Lab, a_body, long_text, model_of, text

CALLS = 100
TOKENS = 1_200
SHARED = long_text("shared", TOKENS)


def played(moments: list[float], texts: list[str], ttl: str = "auto", lab: Lab | None = None) -> Lab:
    """One call at each moment with the text as its system prompt."""
    lab = lab or Lab(CacheSettings(ttl=ttl))  # type: ignore[arg-type]
    for number, (moment, system) in enumerate(zip(moments, texts, strict=True)):
        lab.call(moment, a_body(system, f"Question {number}?"))
    return lab


def fixed_cost(moments: list[float], texts: list[str], ttl: str) -> int:
    """What it costs when every call marks its system prompt for this TTL, as a caller would."""
    lab = Lab()
    for number, (moment, system) in enumerate(zip(moments, texts, strict=True)):
        marked = [text(system) | {"cache_control": {"type": "ephemeral", "ttl": ttl}}]
        lab.call(moment, a_body(marked, f"Question {number}?"))
    return lab.paid


@pytest.mark.parametrize("calls", [60, 100])
@pytest.mark.parametrize("gap_s", [0.0, 5.0, 299.0, 301.0, 3_599.0, 3_601.0])
def test_prefixes_that_are_used_once_cost_at_most_one_percent_more(gap_s: float, calls: int) -> None:
    lab = played([gap_s * n for n in range(calls)], [long_text(f"once {n}", TOKENS) for n in range(calls)])
    assert lab.overhead <= 1.01
    assert lab.reads == 0
    assert lab.writes <= 4


@pytest.mark.parametrize("calls", [60, 100])
def test_documents_that_are_asked_about_once_cost_at_most_one_percent_more(calls: int) -> None:
    lab = Lab()
    for number in range(calls):
        document = text(long_text(f"document {number}", 5_000))
        lab.call(number * 5.0, a_body("Be short.", [document, text(f"Question {number}?")]))
    assert lab.overhead <= 1.01


def test_documents_that_change_each_time_do_not_keep_the_system_prompt_from_being_cached() -> None:
    lab = Lab()
    for number in range(CALLS):
        document = text(long_text(f"document {number}", TOKENS))
        lab.call(number * 5.0, a_body(SHARED, [document, text(f"Question {number}?")]))
    assert lab.reads == CALLS - 1
    assert lab.writes <= 4


@pytest.mark.parametrize("model", [model.id for model in MODELS])
def test_prefixes_below_the_minimum_cost_nothing(model: str) -> None:
    lab = Lab()
    for number in range(CALLS):
        lab.call(number * 5.0, a_body(long_text("small", 150), f"Question {number}?", model=model))
    assert lab.overhead == 1.0


@pytest.mark.parametrize("gap_s", [0.0, 10.0, 250.0, 310.0, 900.0, 3_500.0, 3_700.0, 20_000.0])
def test_regular_calls_cost_nearly_what_the_best_fixed_choice_would_have_cost(gap_s: float) -> None:
    moments, texts = [gap_s * n for n in range(CALLS)], [SHARED] * CALLS
    lab = played(moments, texts)
    best = min(lab.uncached, fixed_cost(moments, texts, "5m"), fixed_cost(moments, texts, "1h"))
    assert lab.paid <= 1.05 * best


@pytest.mark.parametrize("mean_s", [30, 150, 300, 600, 1_500])
def test_random_calls_cost_nearly_what_the_best_fixed_choice_would_have_cost(mean_s: int) -> None:
    random = Random(mean_s)
    moments = list(accumulate(random.expovariate(1 / mean_s) for _ in range(2 * CALLS)))
    texts = [SHARED] * len(moments)
    lab = played(moments, texts)
    best = min(lab.uncached, fixed_cost(moments, texts, "5m"), fixed_cost(moments, texts, "1h"))
    assert lab.paid <= 1.1 * best


def test_what_becomes_regular_is_cached_though_it_was_not_before() -> None:
    lab = played([n * 10.0 for n in range(CALLS)], [long_text(f"once {n}", TOKENS) for n in range(CALLS)])
    writes = lab.writes
    played([2_000.0 + n * 10.0 for n in range(20)], [SHARED] * 20, lab=lab)
    assert lab.writes == writes + 1
    assert lab.reads == 18


def test_what_is_no_longer_regular_is_given_up() -> None:
    lab = played([n * 10.0 for n in range(20)], [SHARED] * 20)
    writes = lab.writes
    played([10_000.0 + n * 7_200.0 for n in range(40)], [SHARED] * 40, lab=lab)
    assert lab.writes - writes <= 25
    [row] = lab.book.rows(1e12)
    assert row.ttl is None
    assert row.why.startswith("not cached")


@pytest.mark.parametrize("ttl", ["5m", "1h"])
def test_the_ttl_of_the_settings_is_the_only_one(ttl: str) -> None:
    lab = played([n * 400.0 for n in range(30)], [SHARED] * 30, ttl)
    marks = {str(body["system"][-1].get("cache_control")) for body in lab.bodies if _is_marked(body)}
    assert len(marks) == 1
    assert ("1h" in marks.pop()) is (ttl == "1h")


def test_switched_off_nothing_is_marked() -> None:
    lab = Lab(CacheSettings(enabled=False))
    for number in range(5):
        lab.call(number, a_body(SHARED))
    assert not any(map(_is_marked, lab.bodies))
    assert lab.book.rows(1e12) == ()


def _is_marked(body: Any) -> bool:
    return isinstance(body["system"], list) and "cache_control" in body["system"][-1]


@pytest.mark.parametrize("once", [1, 3])
def test_hopes_that_are_raised_and_let_down_again_and_again_cost_at_most_one_percent(once: int) -> None:
    lab, now, step = Lab(), 0.0, 3 + once
    for number in range(150):
        now += 3_599.0 if number % step < 3 else 3_601.0
        name = f"thrice {number // step}" if number % step < 3 else f"once {number}"
        lab.call(now, a_body(long_text(name, TOKENS), f"Question {number}?"))
    assert lab.overhead <= 1.01


def test_a_hundred_workflows_of_one_call_cost_at_most_one_percent_more() -> None:
    lab = Lab()
    for number in range(CALLS):
        lab.call(10.0 * number, a_body(long_text(f"text {number}", TOKENS)), f"workflow {number}")
    assert lab.overhead <= 1.01


STEPS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 1.0, 60.0, 299.0, 301.0, 900.0, 3_599.0, 3_601.0, 30_000.0]),
        st.integers(0, 12),
        st.booleans(),
        st.sampled_from(["one", "other"]),
    ),
    min_size=10,
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(STEPS, st.sampled_from(["claude-opus-5", "claude-sonnet-5-5", "claude-haiku-4-5"]))
def test_no_pattern_of_arrivals_costs_more_than_one_percent_on_top(
    steps: list[tuple[float, int, bool, str]], model: str
) -> None:
    tokens = model_of(model).cache_minimum_tokens + 200
    lab, now = Lab(), 0.0
    for number in range(max(CALLS, len(steps))):
        gap_s, which, fresh, workflow = steps[number % len(steps)]
        now += gap_s
        system = long_text(f"text {number if fresh else which}", tokens)
        lab.call(now, a_body(system, f"Question {number}?", model=model), workflow)
    assert lab.overhead <= 1.01
