"""Scheduler and limiter together: who goes, who can never go, and what the others wait for."""

from __future__ import annotations

from claudeflow.domain.job import Candidate
from claudeflow.domain.quota import AxisReading, Demand, Reading
from claudeflow.policy.lanes.admission import Admitted, Nobody, Size, TooLarge, admit
from claudeflow.policy.lanes.lane_rules import Outlook
from claudeflow.policy.lanes.scheduler import Scheduler
from claudeflow.policy.lanes.settings import LaneSettings, largest_reserve
from claudeflow.policy.limits.limiter import Limiter, Permit
from claudeflow.policy.limits.settings import PoolLimits
from tests.policy.builders import a_candidate, throttled, well
from tests.policy.pool import WIDE, nobody_else_says

LIMITS = PoolLimits(requests=600, input_tokens=600_000, output_tokens=600_000)
LANES = {"top": LaneSettings(weight=8.0, reserve=0.05), "low": LaneSettings()}
LONG_AFTER = 600.0


class Desk:
    """A pool that has been answered once and whose buckets are full."""

    def __init__(self) -> None:
        self.scheduler = Scheduler(LANES)
        self.limiter = Limiter(LIMITS, WIDE, 0.0, reserve=largest_reserve(LANES))
        self.now = LONG_AFTER
        first = self.limiter.reserve(Demand(1.0, 1.0), 0.0)
        assert isinstance(first, Permit)
        told = Reading(input_tokens=AxisReading(limit=600_000, remaining=600_000))
        self.limiter.settle(first, well(1, 1, told), 0.0, 0.0)

    def admit(self) -> Admitted | TooLarge | Nobody:
        look = Outlook(nobody_else_says, self.now, round(self.now * 1000))
        return admit(self.scheduler, self.limiter, look, _size)

    def take_all(self) -> Nobody:
        while True:
            found = self.admit()
            if isinstance(found, Nobody):
                return found
            assert isinstance(found, Admitted)
            self.scheduler.take(found.candidate, 1.0)


def _size(candidate: Candidate) -> Size:
    demand = Demand(float(candidate.input_bytes), 1.0)
    return Size(demand, demand)


def test_nobody_goes_from_an_empty_pool() -> None:
    assert Desk().admit() == Nobody((), None)


def test_a_job_that_fits_goes_with_its_permit() -> None:
    desk = Desk()
    desk.scheduler.arrive(a_candidate(1, lane="low", input_bytes=100))
    found = desk.admit()
    assert isinstance(found, Admitted)
    assert (found.candidate.id, found.demand.input_tokens) == (1, 100.0)


def test_a_job_above_a_known_limit_is_named_and_nobody_behind_it_is_held_up() -> None:
    desk = Desk()
    desk.scheduler.arrive(a_candidate(1, lane="low", input_bytes=700_000))
    desk.scheduler.arrive(a_candidate(2, lane="low", input_bytes=100))
    found = desk.admit()
    assert isinstance(found, TooLarge)
    assert "700,000" in found.problem
    assert "600,000" in found.problem
    desk.scheduler.gone(found.candidate)
    assert isinstance(desk.admit(), Admitted)


def test_a_flood_of_a_low_lane_leaves_room_for_the_lane_above() -> None:
    desk = Desk()
    for number in range(1_000):
        desk.scheduler.arrive(a_candidate(number, lane="low", input_bytes=10))
    waiting = desk.take_all()
    assert [wait.candidate.lane for wait in waiting.waits] == ["low"]
    assert "requests" in waiting.waits[0].why
    assert waiting.again_at is not None
    for number in range(20):
        desk.scheduler.arrive(a_candidate(9_000 + number, lane="top", input_bytes=10))
    went = 0
    while isinstance(found := desk.admit(), Admitted) and found.candidate.lane == "top":
        desk.scheduler.take(found.candidate, 1.0)
        went += 1
    assert went == 20


def test_a_closed_pool_asks_nobody_else() -> None:
    desk = Desk()
    permit = desk.limiter.reserve(Demand(1.0, 1.0), desk.now)
    assert isinstance(permit, Permit)
    desk.limiter.settle(permit, throttled(30.0), desk.now, 0.0)
    for number in range(10):
        desk.scheduler.arrive(a_candidate(number, lane="low", workflow=f"w{number}", input_bytes=10))
    waiting = desk.admit()
    assert isinstance(waiting, Nobody)
    assert len(waiting.waits) == 1
    assert waiting.again_at == desk.now + 30.0


def test_the_probe_after_a_429_is_a_small_job_though_a_giant_is_first() -> None:
    desk = Desk()
    permit = desk.limiter.reserve(Demand(1.0, 1.0), desk.now)
    assert isinstance(permit, Permit)
    desk.limiter.settle(permit, throttled(30.0), desk.now, 0.0)
    desk.scheduler.arrive(a_candidate(1, lane="low", workflow="giant", input_bytes=500_000))
    desk.scheduler.arrive(a_candidate(2, lane="low", workflow="small", input_bytes=10))
    desk.now += 30.0
    found = desk.admit()
    assert isinstance(found, Admitted)
    assert (found.candidate.id, found.permit.probe) == (2, True)


def test_when_its_promised_moment_has_come_nobody_passes_a_large_job() -> None:
    desk = Desk()
    small, large = 10, 550_000
    drawn = desk.limiter.reserve(Demand(580_000.0, 1.0), desk.now)
    assert isinstance(drawn, Permit)
    desk.scheduler.arrive(a_candidate(1, lane="low", workflow="large", input_bytes=large))
    told = desk.admit()
    assert isinstance(told, Nobody)
    promised = told.waits[0].until
    assert promised is not None
    desk.now = promised
    again = desk.limiter.reserve(Demand(35_000.0, 1.0), desk.now)
    assert isinstance(again, Permit)
    desk.scheduler.arrive(a_candidate(2, lane="top", workflow="small", input_bytes=small))
    waits = desk.admit()
    assert isinstance(waits, Nobody)
    assert [wait.candidate.id for wait in waits.waits] == [1]
