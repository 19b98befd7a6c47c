"""Which waiting job goes next: lanes by weight, workflows alike, then priority and age."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import pytest

from claudeflow.domain.job import Candidate
from claudeflow.policy.flow import WINDOW, FlowKey
from claudeflow.policy.scheduler import LaneSettings, Scheduler
from tests.policy.builders import a_candidate

WORTH = 1.0


def a_scheduler(**lanes: LaneSettings) -> Scheduler:
    return Scheduler(lanes)


def everybody(candidate: Candidate) -> bool:
    return True


def fill(scheduler: Scheduler, candidates: Iterable[Candidate]) -> None:
    for candidate in candidates:
        scheduler.arrive(candidate)


def take(scheduler: Scheduler, times: int, worth: float = WORTH) -> list[Candidate]:
    """The next jobs, each back at once, so that nothing stays in flight."""
    taken = []
    for _ in range(times):
        candidate = scheduler.pick(everybody)
        if candidate is None:
            break
        scheduler.take(candidate, worth)
        scheduler.came_back(candidate.lane)
        taken.append(candidate)
    return taken


def jobs(first_id: int, how_many: int, **changes: object) -> list[Candidate]:
    return [a_candidate(first_id + number, **changes) for number in range(how_many)]


def ids(candidates: Iterable[Candidate]) -> list[int]:
    return [candidate.id for candidate in candidates]


def by_lane(candidates: Iterable[Candidate]) -> Mapping[str, int]:
    return Counter(candidate.lane for candidate in candidates)


def test_nothing_waits_in_an_empty_pool() -> None:
    scheduler = a_scheduler()
    assert scheduler.pick(everybody) is None
    assert not scheduler.waiting()


def test_picking_changes_nothing() -> None:
    scheduler = a_scheduler()
    fill(scheduler, jobs(1, 3))
    assert scheduler.pick(everybody) == scheduler.pick(everybody)
    assert ids(take(scheduler, 5)) == [1, 2, 3]


def test_within_a_workflow_priority_goes_before_age() -> None:
    scheduler = a_scheduler()
    fill(scheduler, [a_candidate(1), a_candidate(2, priority=5), a_candidate(3, priority=5), a_candidate(4)])
    assert ids(take(scheduler, 9)) == [2, 3, 1, 4]


def test_a_flood_of_one_workflow_does_not_delay_another_workflows_single_job() -> None:
    scheduler = a_scheduler()
    fill(scheduler, jobs(1, WINDOW, workflow="flood"))
    take(scheduler, 20)
    scheduler.arrive(a_candidate(9_999, workflow="single"))
    assert 9_999 in ids(take(scheduler, 2))


def test_workflows_of_a_lane_share_alike_by_worth_not_by_count() -> None:
    scheduler = a_scheduler()
    fill(scheduler, jobs(1, 100, workflow="large") + jobs(1_000, 100, workflow="small"))
    worth = {"large": 9.0, "small": 1.0}
    had: Counter[str] = Counter()
    for _ in range(60):
        candidate = scheduler.pick(everybody)
        assert candidate is not None
        scheduler.take(candidate, worth[candidate.workflow])
        had[candidate.workflow] += int(worth[candidate.workflow])
    assert had["large"] == pytest.approx(had["small"], abs=9)


def test_lanes_share_by_weight() -> None:
    scheduler = a_scheduler(fast=LaneSettings(weight=4.0), slow=LaneSettings(weight=1.0))
    fill(scheduler, jobs(1, 110, lane="slow") + jobs(1_000, 110, lane="fast"))
    assert by_lane(take(scheduler, 100)) == {"fast": 80, "slow": 20}


def test_a_lane_without_settings_has_the_ordinary_weight() -> None:
    scheduler = a_scheduler(known=LaneSettings(weight=1.0))
    fill(scheduler, jobs(1, 50, lane="known") + jobs(1_000, 50, lane="unknown"))
    assert by_lane(take(scheduler, 40)) == {"known": 20, "unknown": 20}


def test_a_lane_with_nothing_to_do_leaves_its_share_to_the_others() -> None:
    scheduler = a_scheduler(fast=LaneSettings(weight=9.0), slow=LaneSettings(weight=1.0))
    fill(scheduler, jobs(1, 50, lane="slow"))
    assert by_lane(take(scheduler, 50)) == {"slow": 50}


def test_new_weights_hold_from_the_next_arrival_on() -> None:
    scheduler = a_scheduler(a=LaneSettings(weight=1.0), b=LaneSettings(weight=1.0))
    scheduler.reconfigure({"a": LaneSettings(weight=3.0), "b": LaneSettings(weight=1.0)})
    fill(scheduler, jobs(1, 100, lane="a") + jobs(1_000, 100, lane="b"))
    assert by_lane(take(scheduler, 80)) == {"a": 60, "b": 20}


def test_a_lane_never_has_more_in_flight_than_it_may() -> None:
    scheduler = a_scheduler(bulk=LaneSettings(max_in_flight=2))
    fill(scheduler, jobs(1, 5))
    for _ in range(2):
        candidate = scheduler.pick(everybody)
        assert candidate is not None
        scheduler.take(candidate, WORTH)
    assert scheduler.pick(everybody) is None
    assert scheduler.waiting()
    scheduler.came_back("bulk")
    assert scheduler.pick(everybody) is not None


def test_a_full_lane_does_not_stand_in_the_way_of_another() -> None:
    scheduler = a_scheduler(bulk=LaneSettings(weight=100.0, max_in_flight=1))
    fill(scheduler, [a_candidate(1), a_candidate(2), a_candidate(3, lane="other")])
    for expected in (1, 3):
        candidate = scheduler.pick(everybody)
        assert candidate is not None
        assert candidate.id == expected
        scheduler.take(candidate, WORTH)


def test_a_job_that_may_not_go_does_not_stand_in_the_way_of_another_model() -> None:
    scheduler = a_scheduler()
    fill(scheduler, [a_candidate(1, model="held"), a_candidate(2, model="free")])
    candidate = scheduler.pick(lambda job: job.model != "held")
    assert candidate is not None
    assert candidate.id == 2
    assert scheduler.pick(lambda job: False) is None


def test_a_cancelled_job_is_not_picked() -> None:
    scheduler = a_scheduler()
    fill(scheduler, jobs(1, 3))
    scheduler.gone(a_candidate(1))
    assert ids(take(scheduler, 5)) == [2, 3]


def test_cancelling_a_job_that_nobody_knows_harms_nobody() -> None:
    scheduler = a_scheduler()
    scheduler.gone(a_candidate(1))
    assert not scheduler.waiting()
    fill(scheduler, jobs(2, 2))
    scheduler.gone(a_candidate(99, workflow="stranger"))
    assert ids(take(scheduler, 5)) == [2, 3]


def test_the_store_is_asked_for_flows_that_it_alone_knows() -> None:
    scheduler = a_scheduler()
    key = FlowKey("bulk", "triage", "claude-haiku-5-5")
    scheduler.expect(key)
    assert scheduler.waiting()
    assert scheduler.pick(everybody) is None
    assert scheduler.flows_to_refill() == [key]
    scheduler.refill(key, jobs(1, 3), all_there_is=True)
    assert scheduler.flows_to_refill() == []
    assert ids(take(scheduler, 5)) == [1, 2, 3]
    assert not scheduler.waiting()


def test_a_flow_that_turns_out_to_be_empty_is_forgotten() -> None:
    scheduler = a_scheduler()
    key = FlowKey("bulk", "triage", "claude-haiku-5-5")
    scheduler.expect(key)
    scheduler.flows_to_refill()
    scheduler.refill(key, [], all_there_is=True)
    assert not scheduler.waiting()
    assert scheduler.flows_to_refill() == []


def test_many_workflows_with_many_jobs_are_all_served_alike_through_their_windows() -> None:
    scheduler = a_scheduler()
    stored = {
        FlowKey("bulk", name, "claude-haiku-5-5"): jobs(1_000 * number, 300, workflow=name)
        for number, name in enumerate("abc", start=1)
    }
    for key in stored:
        scheduler.expect(key)
    order = []
    while scheduler.waiting():
        for key in scheduler.flows_to_refill():
            first = stored[key][:WINDOW]
            scheduler.refill(key, first, all_there_is=len(first) < WINDOW)
        (candidate,) = take(scheduler, 1)
        key = FlowKey(candidate.lane, candidate.workflow, candidate.model)
        stored[key].remove(candidate)
        order.append(candidate.workflow)
    assert len(order) == 900
    assert all(len(set(order[turn : turn + 3])) == 3 for turn in range(0, 900, 3))
