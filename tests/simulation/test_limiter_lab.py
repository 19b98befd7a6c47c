"""The limiter against the API's limits in virtual time: used to the full, rarely refused, soon recovered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from claudeflow.policy.limits.settings import PoolLimits
from claudeflow.twin.pool import PoolRules
from claudeflow.twin.tiers import EVALUATION, Limits, WorkspaceLimits, limits_of
from tests.simulation.lab import (
    Lab,
    Result,
    Size,
    Sizes,
    World,
    drawn_from,
    replayed,
    sizes_of_trace,
)

SEEDS = [seed if seed < 3 else pytest.param(seed, marks=pytest.mark.chaos) for seed in range(10)]
WARM_UP_S = 120.0
END_S = WARM_UP_S + 1_800.0

SMALL = Limits(120, 240_000, 48_000)
"""In the proportions of the Start tier for its large models, with fewer calls to simulate."""
ASSUMED = PoolLimits(SMALL.rpm, SMALL.itpm, SMALL.otpm)
MANY_CALLS = drawn_from(600, 120)
LARGE_INPUTS = drawn_from(6_000, 200)
LONG_OUTPUTS = drawn_from(500, 900)
AXIS_LOADS = {"requests": MANY_CALLS, "input": LARGE_INPUTS, "output": LONG_OUTPUTS}

TRACES = Path(__file__).parents[2] / "examples" / "traces"

HAPPENS_S = 300.0
ENDS_S = 600.0


def of_trace(name: str) -> Sizes:
    return replayed(sizes_of_trace(TRACES / name))


SATURATED: dict[str, tuple[Limits, Sizes]] = {
    "requests": (SMALL, MANY_CALLS),
    "input": (SMALL, LARGE_INPUTS),
    "output": (SMALL, LONG_OUTPUTS),
    "requests, smallest tier": (limits_of(EVALUATION, "haiku-5.5"), drawn_from(300, 60)),
    "input, smallest tier": (limits_of(EVALUATION, "haiku-5.5"), drawn_from(2_000, 80)),
    "output, smallest tier": (limits_of(EVALUATION, "haiku-5.5"), drawn_from(200, 300)),
    "azure conversations": (SMALL, of_trace("azure-llm-2023-conv-1500.csv.gz")),
    "azure code": (SMALL, of_trace("azure-llm-2023-code-1500.csv.gz")),
    "mooncake conversations": (SMALL, of_trace("mooncake-conversation-1500.jsonl.gz")),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("load", SATURATED)
def test_a_saturated_pool_uses_what_the_buckets_grant_and_is_hardly_ever_refused(
    load: str, seed: int
) -> None:
    limits, sizes = SATURATED[load]
    lab = Lab(World(limits), sizes, seed)
    seen = lab.run(END_S)
    assert seen.most_used(WARM_UP_S, END_S) >= 0.98
    assert seen.per_thousand() <= 1.0


@pytest.mark.parametrize("seed", range(2))
def test_the_start_tier_is_used_from_cold_within_a_minute(seed: int) -> None:
    lab = Lab(World(limits_of("start", "haiku-5.5")), MANY_CALLS, seed, assumed=PoolLimits(50, 30_000, 8_000))
    seen = lab.run(200.0)
    assert seen.most_used(60.0, 180.0) >= 0.95
    assert seen.throttles() <= 1


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("families", [("input", "output"), ("requests",), ()], ids=["nine", "six", "none"])
def test_missing_header_families_cost_nothing(families: tuple[str, ...], seed: int) -> None:
    load = list(AXIS_LOADS.values())[seed % 3]
    lab = Lab(World(SMALL, families=families), load, seed, assumed=ASSUMED)
    seen = lab.run(600.0)
    assert seen.most_used(WARM_UP_S, 600.0) >= 0.97
    assert seen.throttles() <= 1


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("skew_s", [-90.0, 90.0])
def test_a_server_whose_clocks_disagree_is_used_all_the_same(skew_s: float, seed: int) -> None:
    load = list(AXIS_LOADS.values())[seed % 3]
    seen = Lab(World(SMALL, skew_s=skew_s), load, seed).run(600.0)
    assert seen.most_used(WARM_UP_S, 600.0) >= 0.97
    assert seen.throttles() <= 1


# What happens between HAPPENS_S and ENDS_S

Event = Callable[[Lab], None]


def limits_halved(lab: Lab) -> None:
    lab.at(HAPPENS_S, lambda: lab.change_limits(0.5))
    lab.at(ENDS_S, lambda: lab.change_limits(1.0))


def limits_doubled(lab: Lab) -> None:
    lab.at(HAPPENS_S, lambda: lab.change_limits(2.0))
    lab.at(ENDS_S, lambda: lab.change_limits(1.0))


def a_steady_neighbour(lab: Lab) -> None:
    lab.at(HAPPENS_S, lambda: lab.others_want(0.5))
    lab.at(ENDS_S, lambda: lab.others_want(0.0))


def a_bursty_neighbour(lab: Lab) -> None:
    lab.every(20.0, lambda: lab.others_take(10.0), HAPPENS_S, ENDS_S)


def a_neighbour_who_takes_half_a_minute_at_once(lab: Lab) -> None:
    lab.every(60.0, lambda: lab.others_take(30.0), HAPPENS_S, ENDS_S)


def headers_lost(lab: Lab) -> None:
    lab.at(HAPPENS_S, lambda: lab.change(families=()))
    lab.at(ENDS_S, lambda: lab.change(families=("requests", "input", "output")))


def clocks_jump(lab: Lab) -> None:
    lab.at(HAPPENS_S, lambda: lab.change(skew_s=90.0))
    lab.at(ENDS_S, lambda: lab.change(skew_s=0.0))


def overload(lab: Lab) -> None:
    lab.down = lambda now: "overloaded" if HAPPENS_S <= now < ENDS_S and lab.random.random() < 0.4 else None


def few_connections(lab: Lab) -> None:
    lab.at(HAPPENS_S, lambda: lab.change(max_connections=6))
    lab.at(ENDS_S, lambda: lab.change(max_connections=None))


EVENTS: dict[str, Event] = {
    event.__name__.replace("_", " "): event
    for event in (
        limits_halved,
        limits_doubled,
        a_steady_neighbour,
        a_bursty_neighbour,
        a_neighbour_who_takes_half_a_minute_at_once,
        headers_lost,
        clocks_jump,
        overload,
        few_connections,
    )
}


def survives(seen: Result, ended_s: float = ENDS_S) -> None:
    """At most 5 429s, back within two minutes, no burst when it is over, no call too early."""
    assert seen.throttles(HAPPENS_S) <= 5
    assert seen.recovered_s(ended_s) <= 120.0
    assert seen.early_calls == 0


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("event", EVENTS)
def test_what_happens_to_a_saturated_pool_is_soon_over(event: str, seed: int) -> None:
    load = list(AXIS_LOADS.values())[seed % 3]
    lab = Lab(World(SMALL), load, seed)
    EVENTS[event](lab)
    survives(lab.run(ENDS_S + 200.0))


@pytest.mark.parametrize("seed", SEEDS)
def test_what_a_steady_neighbour_leaves_is_used(seed: int) -> None:
    lab = Lab(World(SMALL), list(AXIS_LOADS.values())[seed % 3], seed)
    a_steady_neighbour(lab)
    seen = lab.run(ENDS_S)
    assert seen.most_used(HAPPENS_S + 120.0, ENDS_S) >= 0.95
    assert seen.throttles(HAPPENS_S) == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_after_an_outage_of_ten_minutes_work_comes_back_without_a_burst(seed: int) -> None:
    lab = Lab(World(SMALL), list(AXIS_LOADS.values())[seed % 3], seed)
    lab.down = lambda now: "connection_error" if HAPPENS_S <= now < HAPPENS_S + 600.0 else None
    seen = lab.run(HAPPENS_S + 900.0)
    survives(seen, HAPPENS_S + 600.0)
    assert len([at for at in seen.failed_at if at > HAPPENS_S + 60.0]) <= 600 / 5
    assert seen.largest_share(HAPPENS_S + 600.0, HAPPENS_S + 720.0) <= 0.05


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("axis", "used", "refused"), [("requests", 0.95, 5), ("input", 0.95, 5), ("output", 0.6, 8)]
)
def test_a_hidden_window_of_a_second_is_found_and_kept(
    axis: str, used: float, refused: int, seed: int
) -> None:
    """What is being generated cannot be paced, so that a window on output is touched now and then."""
    lab = Lab(World(SMALL, rules=PoolRules(burst_s=1.0)), AXIS_LOADS[axis], seed)
    seen = lab.run(600.0)
    assert seen.most_used(WARM_UP_S, 600.0) >= used
    assert seen.throttles(0, 300) <= refused
    assert seen.throttles(300, 600) <= refused
    assert seen.early_calls == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_a_limit_on_acceleration_is_climbed_along(seed: int) -> None:
    lab = Lab(World(SMALL, rules=PoolRules(ramp_start_rpm=30)), MANY_CALLS, seed)
    seen = lab.run(500.0)
    assert seen.throttles() <= 5
    assert seen.recovered_s(200.0) <= 120.0


@pytest.mark.parametrize("seed", SEEDS)
def test_a_limit_on_connections_from_the_start_is_filled_and_touched_rarely(seed: int) -> None:
    lab = Lab(World(SMALL, max_connections=5), LONG_OUTPUTS, seed)
    seen = lab.run(500.0)
    assert seen.throttles(0, 300) <= 5
    assert 4 <= lab.limiter.in_flight <= 6


@pytest.mark.parametrize("seed", SEEDS)
def test_without_headers_a_429_that_names_its_limit_is_enough(seed: int) -> None:
    lab = Lab(World(SMALL, families=()), list(AXIS_LOADS.values())[seed % 3], seed, assumed=ASSUMED)
    limits_halved(lab)
    seen = lab.run(ENDS_S + 200.0)
    assert seen.throttles(HAPPENS_S, ENDS_S) <= 5
    assert seen.recovered_s(ENDS_S) <= 120.0


@pytest.mark.parametrize("seed", SEEDS)
def test_a_workspace_limit_in_the_combined_family_is_a_fourth_bucket(seed: int) -> None:
    lab = Lab(World(SMALL, tells_tokens=True), LARGE_INPUTS, seed)
    lab.server.change_workspace(WorkspaceLimits(tpm=100_000), 0.0)
    seen = lab.run(600.0)
    granted = 100_000 / 60 * (600 - WARM_UP_S)
    first, last = (next(row for at, row in seen.samples if at >= when) for when in (WARM_UP_S, 600.0))
    drawn = sum(last[axis][1] - first[axis][1] for axis in ("input", "output"))
    assert drawn >= 0.97 * granted
    assert seen.throttles() <= 2


@pytest.mark.parametrize("seed", SEEDS)
def test_a_lane_above_finds_room_at_once_behind_giants_of_the_lane_below(seed: int) -> None:
    """Bulk jobs of ten seconds' input and more put the bucket into debt; the lane above keeps 5 %."""
    lab = Lab(World(SMALL), drawn_from(SMALL.itpm / 6, 300, 0.3), seed, reserve=0.05)
    lab.keep = 0.05
    lab.every(7.0, lambda: lab.call_above(Size(1_000, 100, "questions")), 120.0, 600.0)
    seen = lab.run(600.0)
    waits = sorted(wait_s for _, wait_s, _ in seen.waits)
    assert len(waits) > 60
    assert waits[int(len(waits) * 0.99)] <= 0.5
    assert seen.most_used(WARM_UP_S, 600.0) >= 0.95
    assert seen.throttles() <= 1
