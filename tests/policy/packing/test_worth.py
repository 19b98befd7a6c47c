"""A pack goes when it is expected to save money, or requests that are short at a small loss."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from claudeflow.domain.prompt import Verify
from claudeflow.policy.money.pricing import Rates
from claudeflow.policy.packing.worth import ENTRY_TOKENS, FRAME_TOKENS, Case, Prefix, judge_worth

OPUS = Rates(input=4_000_000, write_5m=5_000_000, write_1h=8_000_000, read=200_000, output=20_000_000)
COLD = Case(
    items=4,
    single=Prefix(1_000, is_warm=False),
    packed=Prefix(1_200, is_warm=False),
    own_input_tokens=100,
    answer_tokens=50,
    verify=Verify.SEAL,
    rates=OPUS,
    cache_minimum_tokens=512,
    returned_share=0.0,
    requests_are_scarce=False,
)


def a_case(**changes: Any) -> Case:
    return replace(COLD, **changes)


WARM = a_case(single=Prefix(1_000, is_warm=True), packed=Prefix(1_200, is_warm=True))


def test_a_frame_and_an_entry_have_about_as_many_tokens_as_they_look() -> None:
    assert dict(FRAME_TOKENS) == {Verify.SEAL: 47, Verify.ID: 39}
    assert dict(ENTRY_TOKENS) == {Verify.SEAL: 19, Verify.ID: 10}


def test_a_prefix_that_is_paid_each_time_is_worth_sharing() -> None:
    worth = judge_worth(COLD)
    # Singly 1,100 tokens in and 50 out; packed 300 + 100 + 47 in and 50 + 19 out.
    assert worth.saved_nanousd_per_item == pytest.approx((1_100 - 447) * 4_000 - 19 * 20_000)
    assert worth.pays
    assert worth.why == (
        "with no cached prefix a single call costs $0.005400 an item, packed by 4 $0.003168: packed"
    )


def test_a_warm_prefix_costs_less_than_the_frames_that_would_save_it() -> None:
    worth = judge_worth(WARM)
    # Singly 1,000 read, 100 in and 50 out; packed 300 read, 147 in and 69 out.
    assert worth.saved_nanousd_per_item == pytest.approx(700 * 200 - 47 * 4_000 - 19 * 20_000)
    assert not worth.pays
    assert worth.why == (
        "with a warm cache a single call costs $0.001600 an item, packed by 4 $0.002028: not packed"
    )


def test_a_long_prefix_is_worth_sharing_even_when_it_is_warm() -> None:
    assert judge_worth(replace(WARM, single=Prefix(9_000, is_warm=True))).pays


def test_a_prefix_below_the_models_minimum_is_never_read_from_the_cache() -> None:
    below = replace(WARM, cache_minimum_tokens=1_001)
    assert judge_worth(below).saved_nanousd_per_item == pytest.approx(
        (1_100 - 147) * 4_000 - 300 * 200 - 19 * 20_000
    )
    assert "no cached prefix" in judge_worth(below).why
    assert "a warm cache" in judge_worth(replace(WARM, cache_minimum_tokens=1_000)).why


def test_ids_alone_cost_fewer_tokens_than_seals() -> None:
    seal, ids = judge_worth(COLD), judge_worth(a_case(verify=Verify.ID))
    assert ids.saved_nanousd_per_item - seal.saved_nanousd_per_item == pytest.approx(8 * 4_000 + 9 * 20_000)


def test_more_items_share_a_prefix_among_more() -> None:
    saved = [judge_worth(a_case(items=items)).saved_nanousd_per_item for items in (2, 4, 20, 50)]
    assert saved == sorted(saved)


def test_one_job_alone_is_not_packed_even_when_requests_are_scarce() -> None:
    worth = judge_worth(a_case(items=1, requests_are_scarce=True))
    assert (worth.pays, worth.saved_nanousd_per_item) == (False, 0.0)
    assert worth.why == "there is nothing to pack it with: not packed"


@pytest.mark.parametrize(("answer_tokens", "pays"), [(50, False), (300, True)])
def test_where_requests_are_scarce_a_small_loss_is_taken_and_a_large_one_is_not(
    answer_tokens: int, pays: bool
) -> None:
    """The loss is $0.000428 an item, of $0.0016 and of $0.0066."""
    case = replace(WARM, answer_tokens=answer_tokens)
    assert not judge_worth(case).pays
    scarce = judge_worth(replace(case, requests_are_scarce=True))
    assert scarce.pays is pays
    words = (
        "packed all the same, as requests are scarce" if pays else "not packed, though requests are scarce"
    )
    assert scarce.why.endswith(f": {words}")


def test_the_loss_that_is_taken_is_a_tenth_at_most() -> None:
    plain = Rates(input=0, write_5m=0, write_1h=0, read=0, output=1_000_000)
    case = a_case(rates=plain, requests_are_scarce=True)
    assert judge_worth(replace(case, answer_tokens=190)).pays
    assert not judge_worth(replace(case, answer_tokens=189)).pays


def test_what_saves_money_is_packed_for_that_reason_whatever_is_scarce() -> None:
    assert judge_worth(a_case(requests_are_scarce=True)).why.endswith(": packed")
    nothing = Rates(0, 0, 0, 0, 0)
    assert not judge_worth(a_case(rates=nothing)).pays


def test_an_item_that_comes_back_costs_its_part_of_the_pack_and_a_single_call() -> None:
    none, some = judge_worth(COLD), judge_worth(a_case(returned_share=0.25))
    single = 1_100 * 4_000 + 50 * 20_000
    lost = none.saved_nanousd_per_item - some.saved_nanousd_per_item
    assert lost == pytest.approx(0.25 * single)
    assert some.why == (
        "with no cached prefix a single call costs $0.005400 an item, "
        "packed by 4 $0.004518 with 25.0% asked again: packed"
    )


def test_packs_of_which_all_comes_back_never_pay() -> None:
    everything = a_case(returned_share=1.0)
    for items in (2, 10, 1_000):
        assert not judge_worth(replace(everything, items=items)).pays
        assert not judge_worth(replace(everything, items=items, requests_are_scarce=True)).pays


def test_the_more_comes_back_the_larger_a_pack_must_be() -> None:
    case = a_case(returned_share=0.35)
    assert [judge_worth(replace(case, items=items)).pays for items in (2, 4, 5, 20)] == [
        False,
        True,
        True,
        True,
    ]
    case = a_case(returned_share=0.5)
    assert [judge_worth(replace(case, items=items)).pays for items in (2, 4, 5, 20)] == [
        False,
        False,
        False,
        True,
    ]


@pytest.mark.parametrize(("returned_share", "pays"), [(0.49, True), (0.5, False)])
def test_no_loss_is_taken_for_packs_that_save_no_requests(returned_share: float, pays: bool) -> None:
    """Of two items one call is saved: when one of both comes back, there are as many calls as before."""
    plain = Rates(input=1_000_000, write_5m=0, write_1h=0, read=0, output=0)
    case = a_case(
        items=2,
        rates=plain,
        packed=Prefix(1_000, is_warm=False),
        own_input_tokens=0,
        returned_share=returned_share,
        requests_are_scarce=True,
    )
    assert judge_worth(case).saved_nanousd_per_item < 0
    assert judge_worth(case).pays is pays
