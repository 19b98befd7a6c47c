"""Jobs of a flow's window that are set aside, and let back in."""

from __future__ import annotations

from claudeflow.policy.lanes.lines import Lines
from claudeflow.policy.lanes.parking import Block, Level
from claudeflow.policy.lanes.scheduler import Scheduler
from tests.policy.builders import a_candidate
from tests.policy.lanes.test_scheduler import a_look, picks


def test_a_job_that_is_set_aside_may_be_so_again_and_may_leave() -> None:
    lines = Lines()
    alone, other = a_candidate(1, prefix="aaaa"), a_candidate(2)
    lines.add(alone)
    lines.add(other)
    lines.set_aside(alone)
    lines.set_aside(alone)
    assert lines.first() == other
    lines.let_in(alone.id)
    assert lines.first() == alone
    lines.set_aside(alone)
    assert lines.remove(alone.id)
    assert (len(lines), lines.first()) == (1, other)


def test_what_one_rule_parked_is_let_in_and_nothing_else() -> None:
    scheduler = Scheduler({})
    candidates = [a_candidate(number, lane=lane) for number, lane in enumerate(("a", "b", "c"), start=1)]
    for candidate in candidates:
        scheduler.arrive(candidate)
    blocks = {"a": Block(Level.LANE, "full", "it is"), "b": Block(Level.LANE, "hold", "it is")}
    assert [pick.candidate.lane for pick in picks(scheduler, a_look(lambda one: blocks.get(one.lane)))] == [
        "c"
    ]
    scheduler.let_in("full")
    assert {pick.candidate.lane for pick in picks(scheduler)} == {"a", "c"}
