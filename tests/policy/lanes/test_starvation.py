"""Nothing starves: whatever the lanes' settings, a job that can be served is served within a bound."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from claudeflow.domain.job import Candidate
from claudeflow.policy.lanes.elders import SHARE
from claudeflow.policy.lanes.settings import LaneSettings
from claudeflow.policy.limits.settings import PoolLimits
from tests.policy.pool import Pool, a_stream

RATE_PER_S = 2.0
LIMITS = PoolLimits(requests=int(60 * RATE_PER_S), input_tokens=10_000_000, output_tokens=10_000_000)
CALL_S = 2.0
FLOOD_S = 240.0
SLACK_S = 20.0
"""A bucket that must fill again, and calls under way."""

CAPS = st.sampled_from([0, 0, 1, 3])
WAITS_S = st.sampled_from([10.0, 30.0, 60.0])


@dataclass(frozen=True)
class Case:
    """Lanes, who floods them, and the job that nobody would miss."""

    lanes: dict[str, LaneSettings]
    streams: tuple[tuple[float, str, str, int, str], ...]
    victims_lane: str

    @cached_property
    def floods(self) -> list[Candidate]:
        """Everybody else's jobs, for as long as they can matter."""
        return [
            job
            for number, (every_s, lane, workflow, priority, model) in enumerate(self.streams, start=1)
            for job in a_stream(
                10_000 * number,
                every_s,
                FLOOD_S,
                lane=lane,
                workflow=workflow,
                priority=priority,
                model=model,
            )
        ]

    @cached_property
    def victim(self) -> Candidate:
        """One job of low priority, some seconds after the others began."""
        changes = {"workflow": "victim's", "priority": -9, "model": "m1"}
        return a_stream(1, 1.0, 6.0, from_s=5.0, lane=self.victims_lane, **changes)[0]

    def due_s(self, job: Candidate) -> float:
        """From when on a job counts among those who wait too long."""
        return job.submitted_ms / 1000 + self.lanes[job.lane].max_wait_s

    def bound_s(self) -> float:
        """When the victim has gone: a tenth of the service is for those before it who wait too long.

        A cap on calls in flight makes the service of a lane that much slower, and so its tenth.
        """
        older = [job for job in self.floods if self.due_s(job) <= self.due_s(self.victim)]
        lane = self.lanes[self.victim.lane]
        caps = [cap for cap in (lane.max_in_flight, lane.max_in_flight_per_workflow) if cap]
        rate_per_s = min([RATE_PER_S, *(cap / CALL_S for cap in caps)])
        return self.due_s(self.victim) + (len(older) + 10) / (SHARE * rate_per_s) + SLACK_S


@st.composite
def cases(draw: st.DrawFn) -> Case:
    names = "abcd"[: draw(st.integers(1, 4))]
    lanes = {
        name: LaneSettings(
            weight=draw(st.sampled_from([0.01, 1.0, 3.0, 1_000.0])),
            reserve=draw(st.sampled_from([0.0, 0.05, 0.5])),
            max_in_flight=draw(CAPS),
            max_in_flight_per_workflow=draw(CAPS),
            max_wait_s=draw(WAITS_S),
        )
        for name in names
    }
    names_of_lanes = st.sampled_from(names)
    stream = st.tuples(
        st.sampled_from([0.25, 0.6, 3.0]),
        names_of_lanes,
        st.sampled_from(["one", "two", "victim's"]),
        st.sampled_from([0, 9]),
        st.sampled_from(["m1", "m2"]),
    )
    streams = draw(st.lists(stream, min_size=1, max_size=4))
    return Case(lanes, tuple(streams), draw(names_of_lanes))


ONE_CALL_AT_A_TIME = Case(
    {
        "a": LaneSettings(
            weight=0.01, reserve=0.5, max_in_flight=3, max_in_flight_per_workflow=1, max_wait_s=30.0
        )
    },
    ((0.25, "a", "victim's", 0, "m1"), (0.6, "a", "victim's", 9, "m2"), (0.25, "a", "victim's", 0, "m2")),
    "a",
)


@given(case=cases())
@example(case=ONE_CALL_AT_A_TIME)
@settings(max_examples=25, deadline=None, phases=[Phase.explicit, Phase.generate])
def test_every_job_that_can_be_served_is_served_within_its_bound(case: Case) -> None:
    pool = Pool(case.lanes, LIMITS, call_s=lambda _: CALL_S)
    pool.run([*case.floods, case.victim], case.bound_s())
    assert case.victim.id in pool.went
