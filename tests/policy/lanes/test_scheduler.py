"""Which waiting job goes next: lanes by weight, workflows alike, then priority and age."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from itertools import groupby

import pytest

from claudeflow.domain.job import Candidate
from claudeflow.policy.lanes.flow import WINDOW, FlowKey
from claudeflow.policy.lanes.hours import HoursSettings
from claudeflow.policy.lanes.lane_rules import Judge, Outlook
from claudeflow.policy.lanes.lines import LONGEST_RUN
from claudeflow.policy.lanes.parking import Block, Level
from claudeflow.policy.lanes.scheduler import PASSERS, PROMISE_LASTS_S, Pick, Scheduler
from claudeflow.policy.lanes.settings import LaneSettings
from tests.policy.builders import a_candidate

WORTH = 1.0


def a_scheduler(**lanes: LaneSettings) -> Scheduler:
    return Scheduler(lanes)


def everybody(candidate: Candidate) -> Block | None:
    return None


def a_look(judge: Judge = everybody, *, now: float = 0.0, now_ms: int = 0, pressure: float = 0.0) -> Outlook:
    return Outlook(judge, now, now_ms, pressure)


def picks(scheduler: Scheduler, look: Outlook | None = None) -> list[Pick]:
    """The jobs that would go in turn if nobody had to wait."""
    return list(scheduler.in_turn(look or a_look()))


def first(scheduler: Scheduler, look: Outlook | None = None) -> Candidate | None:
    return next((pick.candidate for pick in scheduler.in_turn(look or a_look())), None)


def fill(scheduler: Scheduler, candidates: Iterable[Candidate]) -> None:
    for candidate in candidates:
        scheduler.arrive(candidate)


def take(scheduler: Scheduler, times: int, worth: float = WORTH) -> list[Candidate]:
    """The next jobs, each back at once, so that nothing stays in flight."""
    taken = []
    for _ in range(times):
        candidate = first(scheduler)
        if candidate is None:
            break
        scheduler.take(candidate, worth)
        scheduler.came_back(candidate)
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
    assert first(scheduler) is None
    assert not scheduler.waiting()


def test_picking_changes_nothing() -> None:
    scheduler = a_scheduler()
    fill(scheduler, jobs(1, 3))
    assert first(scheduler) == first(scheduler)
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
        candidate = first(scheduler)
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
        candidate = first(scheduler)
        assert candidate is not None
        scheduler.take(candidate, WORTH)
    assert first(scheduler) is None
    assert scheduler.waiting()
    scheduler.came_back(a_candidate(1))
    assert first(scheduler) is not None


def test_a_full_lane_does_not_stand_in_the_way_of_another() -> None:
    scheduler = a_scheduler(bulk=LaneSettings(weight=100.0, max_in_flight=1))
    fill(scheduler, [a_candidate(1), a_candidate(2), a_candidate(3, lane="other")])
    for expected in (1, 3):
        candidate = first(scheduler)
        assert candidate is not None
        assert candidate.id == expected
        scheduler.take(candidate, WORTH)


def test_a_job_that_may_not_go_does_not_stand_in_the_way_of_another_model() -> None:
    scheduler = a_scheduler()
    fill(scheduler, [a_candidate(1, model="held"), a_candidate(2, model="free")])
    held = Block(Level.MODEL, "hold", "it is held")
    look = a_look(lambda job: held if job.model == "held" else None)
    assert [pick.candidate.id for pick in picks(scheduler, look)] == [2]
    assert picks(scheduler, a_look(lambda job: held)) == []


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
    assert first(scheduler) is None
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


def hours_that_are_over() -> HoursSettings:
    """Closed at the epoch, a Thursday at midnight; open from one in the morning."""
    return HoursSettings(windows=("01:00-02:00",))


def take_first(scheduler: Scheduler, look: Outlook | None = None) -> Candidate:
    candidate = first(scheduler, look)
    assert candidate is not None
    scheduler.take(candidate, WORTH)
    return candidate


def test_a_workflow_with_many_models_gets_no_more_than_its_share() -> None:
    scheduler = a_scheduler()
    for number in range(5):
        fill(scheduler, jobs(1_000 * number, 40, workflow="many", model=f"model-{number}"))
    fill(scheduler, jobs(90_000, 100, workflow="one"))
    had = Counter(candidate.workflow for candidate in take(scheduler, 60))
    assert had["one"] == pytest.approx(30, abs=3)


def test_within_a_workflow_the_best_rank_goes_whatever_its_model() -> None:
    scheduler = a_scheduler()
    fill(
        scheduler,
        [
            a_candidate(1, model="b"),
            a_candidate(2, model="a", deadline_ms=50),
            a_candidate(3, model="b", deadline_ms=40),
            a_candidate(4, model="a", priority=1),
        ],
    )
    assert ids(take(scheduler, 4)) == [4, 3, 2, 1]


def test_every_tenth_job_of_a_workflow_is_its_eldest_whatever_its_priority() -> None:
    scheduler = a_scheduler()
    fill(scheduler, [a_candidate(1, priority=-9), *jobs(100, 60, priority=9, submitted_ms=5)])
    assert ids(take(scheduler, 10))[-1] == 1


def test_a_workflow_has_no_more_in_flight_than_its_lane_allows_each() -> None:
    scheduler = a_scheduler(bulk=LaneSettings(max_in_flight_per_workflow=1))
    fill(
        scheduler, [a_candidate(1, workflow="a"), a_candidate(2, workflow="a"), a_candidate(3, workflow="b")]
    )
    one, other = take_first(scheduler), take_first(scheduler)
    assert {one.workflow, other.workflow} == {"a", "b"}
    assert first(scheduler) is None
    scheduler.came_back(one if one.workflow == "a" else other)
    assert scheduler.rules.in_flight("bulk") == 1
    assert take_first(scheduler).id == 2


def test_a_closed_lane_is_looked_at_when_it_opens_and_before_that_now_and_then() -> None:
    scheduler = a_scheduler(night=LaneSettings(hours=hours_that_are_over()), day=LaneSettings())
    fill(scheduler, [a_candidate(1, lane="night"), a_candidate(2, lane="day")])
    assert ids(pick.candidate for pick in picks(scheduler)) == [2]
    assert scheduler.next_look_at() == 60.0
    almost = a_look(now=3_590.0, now_ms=3_590_000)
    assert ids(pick.candidate for pick in picks(scheduler, almost)) == [2]
    assert scheduler.next_look_at() == 3_600.0
    opened = a_look(now=3_600.0, now_ms=3_600_000)
    assert ids(pick.candidate for pick in picks(scheduler, opened)) == [2, 1]


def test_a_lane_with_a_pressure_ceiling_goes_only_below_it() -> None:
    scheduler = a_scheduler(bulk=LaneSettings(pressure_ceiling=0.5))
    fill(scheduler, jobs(1, 2))
    assert picks(scheduler, a_look(pressure=0.5)) == []
    assert scheduler.waiting()
    assert scheduler.next_look_at() == 1.0
    assert picks(scheduler, a_look(now=0.9, pressure=0.1)) == []
    assert ids(pick.candidate for pick in picks(scheduler, a_look(now=1.0, pressure=0.49))) == [1]


def test_a_lane_that_was_closed_has_saved_up_nothing() -> None:
    scheduler = a_scheduler(a=LaneSettings(), b=LaneSettings())
    fill(scheduler, jobs(1, 110, lane="a") + jobs(1_000, 110, lane="b"))
    paused = Block(Level.LANE, "hold", "paused", until=50.0)
    look = a_look(lambda job: paused if job.lane == "b" else None)
    for _ in range(60):
        scheduler.came_back(take_first(scheduler, look))
    again = [take_first(scheduler, a_look(now=50.0)) for _ in range(20)]
    assert by_lane(again) == {"a": 10, "b": 10}


def test_each_lane_leaves_the_largest_reserve_of_those_above_it() -> None:
    scheduler = a_scheduler(
        top=LaneSettings(weight=9.0, reserve=0.05),
        middle=LaneSettings(weight=3.0, reserve=0.2),
        low=LaneSettings(weight=1.0, reserve=0.5),
    )
    assert [scheduler.rules.keep_of(lane) for lane in ("top", "middle", "low", "stranger")] == [
        0.0,
        0.05,
        0.2,
        0.2,
    ]


def two_lanes() -> Scheduler:
    """`low` is first in turn and leaves a reserve to `top`."""
    scheduler = a_scheduler(
        low=LaneSettings(), top=LaneSettings(weight=8.0, reserve=0.1), other=LaneSettings()
    )
    fill(scheduler, jobs(1, 5, lane="low") + jobs(11, 5, lane="other") + jobs(21, 5, lane="top"))
    return scheduler


def test_behind_a_job_that_must_wait_a_moment_go_only_those_the_room_is_kept_for() -> None:
    scheduler, look = two_lanes(), a_look()
    turn = scheduler.in_turn(look)
    refused = next(turn)
    assert (refused.candidate.lane, refused.keep, refused.firm) == ("low", 0.1, False)
    scheduler.must_wait(refused, 0.5, look)
    assert [(pick.candidate.lane, pick.keep) for pick in turn] == [("top", 0.0)]


def test_behind_a_job_that_must_wait_for_an_event_go_only_those_the_room_is_kept_for() -> None:
    scheduler, look = two_lanes(), a_look()
    turn = scheduler.in_turn(look)
    scheduler.must_wait(next(turn), None, look)
    assert [pick.candidate.lane for pick in turn] == ["top"]


def test_a_job_that_must_wait_long_is_passed_by_a_few_others() -> None:
    scheduler, look = two_lanes(), a_look()
    turn = scheduler.in_turn(look)
    scheduler.must_wait(next(turn), 30.0, look)
    assert [pick.candidate.lane for pick in turn] == ["other", "top"]


def test_no_more_than_a_few_are_asked_when_all_must_wait() -> None:
    scheduler, look = a_scheduler(), a_look()
    for number in range(50):
        scheduler.arrive(a_candidate(number, workflow=f"w{number}"))
    asked = 0
    for pick in scheduler.in_turn(look):
        asked += 1
        scheduler.must_wait(pick, 30.0, look)
    assert asked == PASSERS


def test_what_was_promised_is_kept_nobody_passes_then_and_no_room_need_be_left() -> None:
    scheduler, look = two_lanes(), a_look()
    scheduler.must_wait(picks(scheduler, look)[0], 30.0, look)
    for _ in range(3):
        scheduler.take(a_candidate(21, lane="top"), WORTH)
    due = next(scheduler.in_turn(a_look(now=30.0)))
    assert (due.candidate.id, due.keep, due.firm) == (1, 0.0, True)
    scheduler.take(due.candidate, 100 * WORTH)
    assert not any(pick.firm for pick in picks(scheduler, a_look(now=31.0)))


def test_a_lane_that_is_behind_keeps_its_promise_until_it_has_caught_up() -> None:
    scheduler, look = two_lanes(), a_look()
    scheduler.must_wait(picks(scheduler, look)[0], 30.0, look)
    scheduler.take(a_candidate(11, lane="other"), 500 * WORTH)
    scheduler.take(a_candidate(21, lane="top"), 5_000 * WORTH)
    later = a_look(now=30.0)
    for expected in (1, 2, 3):
        pick = next(scheduler.in_turn(later))
        assert (pick.candidate.id, pick.firm) == (expected, True)
        scheduler.take(pick.candidate, WORTH)


def test_a_tenth_of_the_service_goes_to_whoever_waits_longest() -> None:
    scheduler = a_scheduler(heavy=LaneSettings(weight=1_000.0), light=LaneSettings(weight=0.001))
    fill(scheduler, jobs(1, 60, lane="heavy", submitted_ms=9) + jobs(1_000, 60, lane="light"))
    assert by_lane(take(scheduler, 100))["light"] >= 9


def test_an_eldest_that_waits_too_long_need_leave_no_room_and_is_not_passed_for_ever() -> None:
    scheduler = a_scheduler(top=LaneSettings(weight=1_000.0, reserve=0.3), low=LaneSettings(max_wait_s=10.0))
    fill(scheduler, [a_candidate(1, lane="low"), *jobs(100, 60, lane="top", submitted_ms=9)])
    scheduler.take(a_candidate(1, lane="low"), WORTH)
    scheduler.arrive(a_candidate(2, lane="low"))
    take(scheduler, 20)
    early = next(scheduler.in_turn(a_look(now_ms=5_000)))
    assert (early.candidate.id, early.keep, early.firm) == (2, 0.3, False)
    late = a_look(now=11.0, now_ms=11_000)
    overdue = next(scheduler.in_turn(late))
    assert (overdue.candidate.id, overdue.keep, overdue.firm) == (2, 0.0, False)
    scheduler.must_wait(overdue, 12.0, late)
    firm = next(scheduler.in_turn(a_look(now=12.0, now_ms=12_000)))
    assert (firm.candidate.id, firm.firm) == (2, True)


def test_an_eldest_that_may_not_go_leaves_its_turn_to_the_next() -> None:
    scheduler = a_scheduler(heavy=LaneSettings(weight=1_000.0), light=LaneSettings(weight=0.001))
    held = a_candidate(1, lane="light", model="held")
    fill(scheduler, [held, *jobs(2, 3, lane="light"), *jobs(100, 60, lane="heavy", submitted_ms=9)])
    block = Block(Level.MODEL, "hold", "it is held")
    look = a_look(lambda job: block if job.model == "held" else None)
    order = [take_first(scheduler, look) for _ in range(30)]
    assert 1 not in ids(order)
    assert 2 in ids(order)


def test_when_all_the_eldest_must_wait_others_go() -> None:
    scheduler = a_scheduler(heavy=LaneSettings(weight=1_000.0), light=LaneSettings(weight=0.001))
    fill(scheduler, jobs(1, 100, lane="light") + jobs(1_000, 60, lane="heavy", submitted_ms=9))
    look = a_look(lambda job: Block(Level.JOB, "hold", "held") if job.lane == "light" else None)
    assert by_lane([take_first(scheduler, look) for _ in range(40)]) == {"heavy": 40}


def test_a_prefix_that_waits_stops_only_its_own_line_until_it_is_warm() -> None:
    scheduler = a_scheduler()
    fill(scheduler, [*jobs(1, 5, prefix="cold"), a_candidate(9), a_candidate(10, prefix="warm")])
    block = Block(Level.PREFIX, "cold_prefix", "being written", until=60.0)
    look = a_look(lambda job: block if job.prefix == "cold" else None)
    assert [take_first(scheduler, look).id for _ in range(2)] == [9, 10]
    assert first(scheduler, look) is None
    parked = scheduler.queues.block_of(a_candidate(3, prefix="cold"))
    assert parked is block
    scheduler.arrive(a_candidate(11, prefix="cold"))
    assert first(scheduler) is None
    scheduler.prefix_changed("claude-haiku-5-5", "another")
    scheduler.prefix_changed("claude-haiku-5-5", "cold")
    assert ids(take(scheduler, 9)) == [1, 2, 3, 4, 5, 11]


def test_a_single_job_that_must_wait_is_looked_at_again_in_time() -> None:
    scheduler = a_scheduler()
    fill(scheduler, jobs(1, 3))
    block = Block(Level.JOB, "hold", "held", until=7.0)
    look = a_look(lambda job: block if job.id == 1 else None)
    assert first(scheduler, look) == a_candidate(2)
    assert scheduler.next_look_at() == 7.0
    assert first(scheduler, a_look(now=7.0)) == a_candidate(1)


def test_a_workflow_under_a_hold_is_skipped() -> None:
    scheduler = a_scheduler()
    fill(scheduler, [a_candidate(1, workflow="held"), a_candidate(2, workflow="free")])
    block = Block(Level.WORKFLOW, "hold", "held")
    look = a_look(lambda job: block if job.workflow == "held" else None)
    assert ids(pick.candidate for pick in picks(scheduler, look)) == [2]


def test_new_settings_let_everything_be_looked_at_anew() -> None:
    scheduler = a_scheduler(bulk=LaneSettings(max_in_flight=1))
    fill(scheduler, jobs(1, 3))
    take_first(scheduler)
    assert first(scheduler) is None
    scheduler.reconfigure({"bulk": LaneSettings()})
    assert first(scheduler) is not None


def test_who_was_charged_too_little_or_too_much_is_corrected_when_the_call_is_back() -> None:
    scheduler = a_scheduler()
    fill(scheduler, jobs(1, 40, workflow="hungry") + jobs(1_000, 40, workflow="modest"))
    had: Counter[str] = Counter()
    for _ in range(44):
        candidate = first(scheduler)
        assert candidate is not None
        scheduler.take(candidate, WORTH)
        scheduler.came_back(candidate, 9 * WORTH if candidate.workflow == "hungry" else 0.0)
        had[candidate.workflow] += 1
    assert had["modest"] >= 8 * had["hungry"]


def test_the_oldest_in_the_store_are_asked_for_now_and_then_and_shown() -> None:
    scheduler = a_scheduler()
    scheduler.expect(FlowKey("bulk", "triage", "claude-haiku-5-5"))
    assert scheduler.lanes_to_age(0.0) == [("bulk", "claude-haiku-5-5")]
    assert scheduler.lanes_to_age(9.0) == []
    scheduler.show_eldest([a_candidate(1, priority=-9)])
    scheduler.show_eldest([a_candidate(1, priority=-9)])
    assert scheduler.lanes_to_age(10.0) == [("bulk", "claude-haiku-5-5")]
    assert scheduler.queues.waiting_lanes() == ["bulk"]
    assert ids(take(scheduler, 3)) == [1]


def test_urgent_floods_do_not_make_the_memory_of_the_oldest_grow() -> None:
    scheduler = a_scheduler()
    fill(scheduler, jobs(1, WINDOW))
    fill(scheduler, jobs(10_000, 5 * WINDOW, priority=5))
    assert first(scheduler) == a_candidate(10_000, priority=5)


def test_new_weights_hold_for_lanes_that_are_at_work() -> None:
    scheduler = a_scheduler(a=LaneSettings(), b=LaneSettings())
    fill(scheduler, jobs(1, 100, lane="a") + jobs(1_000, 100, lane="b"))
    scheduler.reconfigure({"a": LaneSettings(weight=3.0), "b": LaneSettings()})
    assert by_lane(take(scheduler, 80)) == {"a": 60, "b": 20}


def test_a_job_that_is_cancelled_while_it_must_wait_does_not_come_back() -> None:
    scheduler = a_scheduler()
    fill(scheduler, jobs(1, 3))
    block = Block(Level.JOB, "hold", "held", until=7.0)
    assert first(scheduler, a_look(lambda job: block if job.id == 1 else None)) == a_candidate(2)
    scheduler.gone(a_candidate(1))
    assert ids(pick.candidate for pick in picks(scheduler, a_look(now=7.0))) == [2]


def test_a_prefix_whose_jobs_were_let_in_by_their_time_may_become_warm_afterwards() -> None:
    scheduler = a_scheduler()
    fill(scheduler, jobs(1, 2, prefix="cold"))
    block = Block(Level.PREFIX, "cold_prefix", "being written", until=60.0)
    assert first(scheduler, a_look(lambda job: block)) is None
    assert first(scheduler, a_look(now=60.0)) == a_candidate(1, prefix="cold")
    scheduler.prefix_changed("claude-haiku-5-5", "cold")
    assert ids(take(scheduler, 3)) == [1, 2]


def test_who_shares_a_part_of_a_path_waits_for_it_and_is_let_go_with_it() -> None:
    scheduler = a_scheduler()
    paths = ("aa/doc:bb", "aa/doc:cc", "aa")
    sharing = [a_candidate(number, prefix=path) for number, path in enumerate(paths, start=1)]
    fill(scheduler, [*sharing, a_candidate(4, prefix="dd/doc:aa0")])
    block = Block(Level.PREFIX, "cold_prefix", "being written", until=60.0, prefix="aa")
    look = a_look(lambda job: block if job in sharing else None)
    assert first(scheduler, look) == a_candidate(4, prefix="dd/doc:aa0")
    assert scheduler.queues.block_of(sharing[1]) == block
    scheduler.arrive(a_candidate(5, prefix="aa/doc:ee"))
    assert scheduler.queues.has_another(sharing[0]) is False
    take_first(scheduler, look)
    assert first(scheduler, look) is None
    scheduler.prefix_changed("claude-haiku-5-5", "aa/doc:zz")
    assert {job.id for job in take(scheduler, 4)} == {1, 2, 3, 5}


def test_jobs_without_a_prefix_can_be_told_to_wait_as_one_line() -> None:
    scheduler = a_scheduler()
    fill(scheduler, jobs(1, 2))
    block = Block(Level.PREFIX, "cold_prefix", "odd", until=60.0)
    assert first(scheduler, a_look(lambda job: block)) is None
    assert first(scheduler, a_look(now=60.0)) == a_candidate(1)


def test_a_job_that_went_while_the_store_was_read_is_not_shown_again() -> None:
    scheduler = a_scheduler()
    key = FlowKey("bulk", "triage", "claude-haiku-5-5")
    scheduler.expect(key)
    scheduler.flows_to_refill()
    scheduler.gone(a_candidate(1))
    scheduler.refill(key, jobs(1, 2), all_there_is=True)
    assert ids(take(scheduler, 3)) == [2]


def test_a_lane_whose_last_hours_are_over_is_looked_at_now_and_then() -> None:
    every_day: dict[str, tuple[str, ...]] = {
        (date(1970, 1, 1) + timedelta(days=n)).isoformat(): () for n in range(500)
    }
    shut = HoursSettings(windows=("Mon 10:00-10:01",), days=every_day)
    scheduler = a_scheduler(night=LaneSettings(hours=shut))
    fill(scheduler, [a_candidate(1, lane="night")])
    assert picks(scheduler) == []
    assert scheduler.next_look_at() == 60.0


def test_jobs_of_one_prefix_go_together_for_a_while_then_the_older_ones_have_their_turn() -> None:
    scheduler = a_scheduler()
    fill(scheduler, [a_candidate(number, prefix="ab"[number % 2]) for number in range(2 * LONGEST_RUN + 8)])
    order = "".join(str(candidate.prefix) for candidate in take(scheduler, 2 * LONGEST_RUN + 8))
    runs = [len(list(run)) for _, run in groupby(order)]
    assert max(runs) <= LONGEST_RUN + 2
    assert len(runs) <= 6


def test_no_run_of_a_prefix_goes_before_a_higher_priority_or_an_earlier_deadline() -> None:
    scheduler = a_scheduler()
    fill(scheduler, jobs(1, 4, prefix="warm"))
    assert take_first(scheduler).prefix == "warm"
    urgent = [a_candidate(50, prefix="other", priority=1), a_candidate(51, prefix="other", deadline_ms=9)]
    fill(scheduler, urgent)
    assert ids(take(scheduler, 3)) == [50, 51, 2]


def test_nobody_passes_whose_turn_is_behind_a_kept_promise_however_long_it_still_takes() -> None:
    scheduler, look = two_lanes(), a_look()
    scheduler.must_wait(picks(scheduler, look)[0], 30.0, look)
    later = a_look(now=30.0)
    turn = scheduler.in_turn(later)
    firm = next(turn)
    assert firm.firm
    scheduler.must_wait(firm, 90.0, later)
    assert list(turn) == []


def test_a_job_whose_size_alone_stands_in_the_way_is_passed_and_promised_nothing() -> None:
    scheduler, look = two_lanes(), a_look()
    turn = scheduler.in_turn(look)
    scheduler.must_wait(next(turn), 0.5, look, smaller_may_pass=True)
    assert [pick.candidate.lane for pick in turn] == ["other", "top"]
    assert not any(pick.firm for pick in picks(scheduler, a_look(now=1.0)))


def test_a_promise_to_jobs_that_are_long_gone_does_not_bind() -> None:
    scheduler, look = two_lanes(), a_look()
    scheduler.must_wait(picks(scheduler, look)[0], 30.0, look)
    later = a_look(now=30.1 + PROMISE_LASTS_S)
    pick = next(scheduler.in_turn(later))
    assert (pick.candidate.lane, pick.firm) == ("low", False)
    scheduler.must_wait(pick, 120.0, later)
    assert next(scheduler.in_turn(a_look(now=120.0))).firm


def test_the_eldest_of_a_lane_that_must_wait_leaves_its_turn_to_another_lane() -> None:
    scheduler = a_scheduler(
        heavy=LaneSettings(weight=1_000.0), light=LaneSettings(weight=0.001), shut=LaneSettings()
    )
    fill(scheduler, jobs(1, 5, lane="shut", model="m2") + jobs(11, 5, lane="light", submitted_ms=1))
    fill(scheduler, jobs(100, 60, lane="heavy", submitted_ms=9))
    block = Block(Level.LANE, "hold", "paused")
    look = a_look(lambda job: block if job.lane == "shut" else None)
    assert by_lane([take_first(scheduler, look) for _ in range(40)])["light"] >= 3
    scheduler.reconfigure({"shut": LaneSettings(weight=1_000_000.0)})
    assert take_first(scheduler).lane == "shut"
