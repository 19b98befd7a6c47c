"""Whoever has had least for its weight goes next."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeflow.policy.lanes.fairshare import FORGET_IDLE_ABOVE, FairShare

AMOUNT = st.floats(min_value=1, max_value=1_000)


def a_share(**weights: float) -> FairShare[str]:
    share: FairShare[str] = FairShare()
    for key, weight in weights.items():
        share.join(key, weight)
    return share


def first(share: FairShare[str]) -> str:
    return next(share.in_order())


def serve(share: FairShare[str], times: int, amount: float = 1.0) -> list[str]:
    """Serve whoever deserves it, so many times."""
    served = []
    for _ in range(times):
        key = first(share)
        share.charge(key, amount)
        served.append(key)
    return served


def test_nobody_is_in_an_empty_order() -> None:
    assert list(a_share().in_order()) == []
    assert len(a_share()) == 0


def test_looking_at_the_order_leaves_it_as_it_is() -> None:
    share = a_share(a=1, b=1, c=1)
    assert list(share.in_order()) == list(share.in_order()) == ["a", "b", "c"]
    assert list(islice(share.in_order(), 1)) == ["a"]
    assert len(list(share.in_order())) == 3


def test_equals_take_turns() -> None:
    assert Counter(serve(a_share(a=1, b=1, c=1), 300)) == {"a": 100, "b": 100, "c": 100}


def test_weights_set_the_shares() -> None:
    served = Counter(serve(a_share(a=3, b=1), 400))
    assert served["a"] == pytest.approx(300, abs=2)


@given(
    weights=st.dictionaries(st.sampled_from("abcd"), st.floats(0.2, 20), min_size=2, max_size=4),
    amounts=st.lists(AMOUNT, min_size=20, max_size=200),
)
def test_busy_keys_get_shares_in_proportion_to_their_weights_within_one_serving_each(
    weights: dict[str, float], amounts: list[float]
) -> None:
    share = a_share(**weights)
    got: Counter[str] = Counter()
    for amount in amounts:
        key = first(share)
        share.charge(key, amount)
        got[key] += amount  # type: ignore[assignment]
    largest = max(amounts)
    for one, weight in weights.items():
        for other, other_weight in weights.items():
            bound = largest / weight + largest / other_weight
            assert abs(got[one] / weight - got[other] / other_weight) <= bound * (1 + 1e-9)


def test_idleness_earns_no_credit() -> None:
    share = a_share(a=1, b=1)
    share.leave("b")
    serve(share, 100)
    share.join("b", 1)
    assert Counter(serve(share, 20))["b"] <= 11


def test_leaving_for_a_moment_does_not_forgive_what_was_had() -> None:
    share = a_share(a=1, b=1)
    share.charge("b", 50.0)
    share.leave("b")
    share.join("b", 1)
    assert Counter(serve(share, 40)) == {"a": 40}


def test_a_newcomer_is_served_at_once_but_has_no_arrears() -> None:
    share = a_share(a=1)
    serve(share, 1_000)
    share.join("b", 1)
    assert "b" in serve(share, 2)
    assert Counter(serve(share, 100))["b"] == pytest.approx(50, abs=1)


def test_joining_again_changes_the_weight_and_nothing_else() -> None:
    share = a_share(a=1, b=1)
    share.charge("a", 10.0)
    share.join("a", 5)
    assert first(share) == "b"
    assert len(share) == 2


def test_leaving_twice_or_unknown_harms_nobody() -> None:
    share = a_share(a=1)
    share.leave("a")
    share.leave("a")
    share.leave("stranger")
    assert list(share.in_order()) == []


def test_keys_that_are_long_idle_are_forgotten() -> None:
    share = a_share(a=1)
    for number in range(FORGET_IDLE_ABOVE + 500):
        key = f"passer-by {number}"
        share.join(key, 1)
        share.charge(key, 10.0)
        share.leave(key)
        share.charge("a", 20.0)
    share.join("passer-by 0", 1)
    share.join("late", 1)
    assert set(serve(share, 2)) == {"passer-by 0", "late"}


def test_a_key_served_out_of_turn_does_not_carry_the_present_along() -> None:
    order: FairShare[str] = FairShare()
    order.join("patient", 1.0)
    order.join("greedy", 1.0)
    for _ in range(3):
        order.charge("greedy", 1_000.0)
    order.join("newcomer", 1.0)
    order.charge("patient", 1.0)
    assert order.first() == "newcomer"
