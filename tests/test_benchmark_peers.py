"""What the comparison with others measures, and that all of them play the same piece."""

from __future__ import annotations

from benchmarks.peers import venvs
from benchmarks.peers.api import Traffic
from benchmarks.peers.programs.stage import BULK, INTERACTIVE, Plan, request
from benchmarks.peers.scenes import RPM, Event, episode, flood, scenes
from benchmarks.size import QUICK, TINY, Size
from claudeflow.twin.fault_script import parse_faults


def traffic(granted_at: tuple[float, ...], refused_at: tuple[float, ...] = ()) -> Traffic:
    return Traffic(0.0, 0, granted_at, refused_at)


def test_the_worst_burst_counts_refused_calls_and_any_100_ms() -> None:
    assert traffic((0.0, 0.95, 1.0), (1.04, 2.0)).worst_burst() == 3
    assert traffic((0.0, 0.1, 0.2)).worst_burst() == 1
    assert traffic(()).worst_burst() == 0


def test_goodput_counts_what_was_let_through_in_the_measured_time() -> None:
    assert traffic((0.0, 1.0, 2.0), (0.5,)).granted_between(0.0, 2.0) == 2


def test_a_flood_brings_ten_times_as_much_bulk_as_interactive_work_and_more_than_the_limit() -> None:
    jobs = flood(60).jobs
    assert sum(job.lane == BULK for job in jobs) == 10 * sum(job.lane == INTERACTIVE for job in jobs)
    assert len(jobs) > RPM


def test_an_event_hits_jobs_that_would_fit_into_the_limit() -> None:
    event = Event(20, 50, 10)
    scene = episode(80, event)
    assert len(scene.jobs) / scene.arrivals_s < RPM / 60
    [fault] = parse_faults(event.script()["fault"])
    assert (fault.kind, fault.from_s, fault.until_s, fault.retry_after_s) == ("rate_429", 20, 50, 10)


def test_no_two_jobs_of_a_scene_are_alike() -> None:
    for size in (TINY, QUICK, Size()):
        for scene in scenes(size):
            bodies = {request(job.number)["messages"][0]["content"] for job in scene.jobs}
            assert len(bodies) == len(scene.jobs)


def test_a_plan_survives_the_way_to_a_program() -> None:
    plan = flood(2).plan("http://127.0.0.1:1")
    assert Plan.read(plan.write()) == plan


def test_every_peer_is_pinned_to_exact_versions() -> None:
    for peer in venvs.peers():
        lines = (venvs.REQUIREMENTS / f"{peer}.txt").read_text(encoding="utf-8").splitlines()
        assert lines
        assert all("==" in line for line in lines)
