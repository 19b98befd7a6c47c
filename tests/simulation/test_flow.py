"""Flow control under load, as a whole: the real daemon, SDK and store on the twin, in virtual time."""

from __future__ import annotations

import pytest

from benchmarks.flow.disturbance import Disturbance, disturbances, disturbed
from benchmarks.flow.lanes import crowded, flooded
from benchmarks.flow.loads import POOL
from benchmarks.flow.saturation import Saturation, saturated, saturations
from benchmarks.flow.story import EVENT_FROM_S, EVENT_UNTIL_S, the_morning
from benchmarks.flow.witness import Witness, largest_burst
from claudeflow.domain.events import JobsSubmitted

pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize("load", saturations(), ids=lambda load: load.name)
def test_a_saturated_axis_is_used_to_98_percent_with_hardly_a_429(load: Saturation) -> None:
    use = saturated(load, seed=1)
    assert use.share >= 0.98
    assert use.throttled_per_1000 <= 1.0


@pytest.mark.parametrize("what", disturbances(), ids=lambda what: what.name)
def test_a_disturbance_degrades_the_flow_and_never_collapses_it(what: Disturbance) -> None:
    aftermath = disturbed(what, seed=1)
    assert aftermath.early == 0
    assert aftermath.throttled <= 5 * what.events
    assert what.always or aftermath.use_after >= 0.95


def test_interactive_jobs_are_answered_under_a_flood_as_if_it_were_not_there() -> None:
    flood = flooded(seed=1)
    assert flood.answer_ratio <= 2.0
    assert flood.bulk_share >= 0.97


def test_workflows_of_one_lane_are_served_alike_although_one_of_them_floods_it() -> None:
    crowd = crowded(seed=1)
    assert crowd.jain >= 0.98
    assert crowd.lone_wait_s <= crowd.round_s


def test_in_a_storm_the_queue_grows_no_faster_than_arrivals_minus_what_is_granted() -> None:
    witness = the_morning(seed=1, end_s=EVENT_UNTIL_S)
    moments = [at_s for at_s, _, _ in witness.samples if at_s >= EVENT_FROM_S]
    for from_s, until_s in zip(moments[::12], moments[12::12], strict=False):
        grown = _depth_at(witness, until_s) - _depth_at(witness, from_s)
        lost = _arrived(witness, from_s, until_s) - 0.95 * _granted(witness, from_s, until_s)
        assert grown <= lost + IN_FLIGHT, f"from {from_s:.0f} s to {until_s:.0f} s"
    assert witness.throttled() <= 5
    assert largest_burst(witness.starts()) <= 0.05 * len(witness.starts())


IN_FLIGHT = 20
"""Jobs that a minute's beginning and end may cut differently."""


def _depth_at(witness: Witness, at_s: float) -> int:
    return [depth for moment, depth in witness.depth() if moment <= at_s][-1]


def _arrived(witness: Witness, from_s: float, until_s: float) -> int:
    found = ((at_s, event) for at_s, event in witness.events if from_s <= at_s < until_s)
    return sum(event.jobs for _, event in found if isinstance(event, JobsSubmitted))


def _granted(witness: Witness, from_s: float, until_s: float) -> float:
    """Calls that the API let through for us, whether or not we made them."""
    first, last = (witness.meters_at(at_s).pools[POOL].requests for at_s in (from_s, until_s))
    return (last.granted - first.granted) - (last.others - first.others)
