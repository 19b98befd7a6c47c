"""Holds in the whole daemon, over hours: nothing fails, little is asked, and all goes on after the fix."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx2
import pytest

from claudeflow.config import FoundKey
from claudeflow.daemon.calls.holds import nothing_was_in_its_way
from claudeflow.domain.attempt import (
    Interrupted,
    Overloaded,
    Rejected,
    Reply,
    Succeeded,
    Throttled,
    Transient,
)
from claudeflow.domain.errors import Conflict, JobNotFound
from claudeflow.domain.events import CallEnded, HoldReleased, HoldSet, KeyChanged
from claudeflow.domain.hold import EVERYTHING, HoldAction, HoldCause, Scope, ScopeKind
from claudeflow.domain.job import JobError, JobId, JobState
from claudeflow.intake.desks.holds import HoldNotFound, InvalidHold, NewHold
from claudeflow.intake.scopes import read_scope
from claudeflow.policy.lanes.settings import LaneSettings
from claudeflow.store import holds as store_holds
from claudeflow.twin.faults import Fault
from tests.support.daemons import MODEL, a_config, a_job, some_jobs
from tests.support.virtual import (
    VirtualBench,
    a_virtual_twin,
    in_virtual_time,
    living,
    now_s,
    only_with,
    refused,
)

QUEUED = 1_742
MINUTE_S, HOUR_S = 60.0, 3_600.0
TROUBLES = {
    "a wrong key": Fault("auth_401"),
    "an empty balance": Fault("credit_empty"),
    "a reached monthly cap": Fault("spend_cap"),
    "the organisation's own cap": Fault("usage_limit_400"),
    "an unpaid bill": Fault("billing_402"),
}


def most_within(moments: list[float], within_s: float) -> int:
    """The most moments in any stretch of time so long."""
    return max((sum(start <= at < start + within_s for at in moments) for start in moments), default=0)


ERROR = JobError("t", "m")
A_REPLY = Reply(Succeeded("end_turn"), http_status=200)
AS_EVIDENCE = {
    "an answer": (A_REPLY, True),
    "a refusal of the request itself": (Reply(Rejected(ERROR), http_status=400), True),
    "a stream that broke off": (Reply(Transient(ERROR), http_status=200, first_byte_s=0.5), True),
    "a request that could not be built": (Reply(Rejected(ERROR), sent=False), False),
    "a page of something on the way": (Reply(Rejected(JobError("http_413", "m")), http_status=413), False),
    "a 429": (Reply(Throttled(ERROR), http_status=429), False),
    "an overload": (Reply(Overloaded(ERROR), http_status=529), False),
    "a broken connection": (Reply(Transient(ERROR)), False),
    "a call that we stopped": (Reply(Interrupted(ERROR), usage_known=False), False),
}


@pytest.mark.parametrize(("reply", "is_evidence"), AS_EVIDENCE.values(), ids=AS_EVIDENCE.keys())
def test_only_what_the_api_has_looked_at_shows_that_nothing_is_in_the_way(
    reply: Reply, is_evidence: bool
) -> None:
    assert nothing_was_in_its_way(reply) == is_evidence


def by_hand(scope: str, reason: str = "maintenance", until_ms: int | None = None) -> NewHold:
    return NewHold(read_scope(scope), reason, "anna", until_ms)


async def lets_through(bench: VirtualBench, scope: str) -> None:
    """Release a hold that a person set."""
    await bench.parts.desk.holds.release(read_scope(scope), None, "done", "ben")


@pytest.mark.parametrize("fault", TROUBLES.values(), ids=TROUBLES.keys())
def test_with_1742_jobs_queued_none_fails_few_probes_go_and_all_goes_on_without_a_restart(
    tmp_path: Path, fault: Fault
) -> None:
    is_cap = fault.kind in ("spend_cap", "usage_limit_400")

    async def scene() -> None:
        twin = a_virtual_twin(faults=(fault,))
        async with living(tmp_path, twin) as bench:
            ids = await bench.submit(*some_jobs(QUEUED))
            await asyncio.sleep(40 * MINUTE_S)
            assert await bench.states(ids) == {JobState.QUEUED}
            assert len(bench.door.came_between(0, 30)) <= 64
            probes = bench.door.came_between(30, now_s())
            assert most_within(probes, 10 * MINUTE_S) == (0 if is_cap else 3)
            assert len(bench.recorder.of(HoldSet)) == 1
            twin.replace_faults(())
            await asyncio.sleep(90 * MINUTE_S if is_cap else 6 * MINUTE_S)
            records = await bench.records(ids)
            assert {(record.state, record.attempts) for record in records} == {(JobState.SUCCEEDED, 1)}
            assert len(bench.recorder.of(HoldReleased)) == 1

    in_virtual_time(scene)


def test_calls_in_flight_when_the_key_is_revoked_all_go_back_and_use_no_attempt(tmp_path: Path) -> None:
    async def scene() -> None:
        twin = a_virtual_twin(ttft_s=20.0)
        async with living(tmp_path, twin) as bench:
            bench.door.refuse = only_with("another key")
            bench.door.delay_s = 3.0
            ids = await bench.submit(*some_jobs(100))
            await asyncio.sleep(20)
            refused_calls = bench.recorder.of(CallEnded, lambda call: call.outcome == "blocked")
            assert len(refused_calls) == len(bench.door.came_s) > 1
            assert {(record.state, record.attempts) for record in await bench.records(ids)} == {
                (JobState.QUEUED, 0)
            }
            assert len(bench.recorder.of(HoldSet)) == 1

    in_virtual_time(scene)


def test_an_old_failure_that_comes_late_does_not_hold_what_a_probe_has_freed(tmp_path: Path) -> None:
    async def scene() -> None:
        async with living(tmp_path) as bench:
            bench.door.refuse = only_with("another key")
            late = await bench.submit(a_job(1))
            bench.door.delay_s = 600.0
            await asyncio.sleep(1)
            bench.door.delay_s = 0.0
            [first] = await bench.submit(a_job(2))
            await asyncio.sleep(10)
            assert len(bench.recorder.of(HoldSet)) == 1
            bench.door.refuse = lambda _: None
            await asyncio.sleep(100)
            assert await bench.states([first]) == {JobState.SUCCEEDED}
            await asyncio.sleep(600)
            assert len(bench.recorder.of(HoldSet)) == 1
            assert await bench.states(late) == {JobState.SUCCEEDED}

    in_virtual_time(scene)


def test_a_new_key_in_a_file_is_taken_up_and_probed_at_once(tmp_path: Path) -> None:
    keys = ["wrong"]

    async def scene() -> None:
        def find() -> FoundKey:
            return FoundKey(keys[-1], "/etc/claudeflow/key")

        async with living(tmp_path, key="wrong", find_key=find) as bench:
            bench.door.refuse = only_with("right")
            ids = await bench.submit(*some_jobs(QUEUED))
            await asyncio.sleep(10 * MINUTE_S)
            assert await bench.states(ids) == {JobState.QUEUED}
            before = len(bench.door.came_s)
            keys.append("right")
            await asyncio.sleep(8)
            assert len(bench.door.came_s) > before
            assert bench.recorder.of(KeyChanged) == [KeyChanged("/etc/claudeflow/key")]
            await asyncio.sleep(MINUTE_S)
            assert await bench.states(ids) == {JobState.SUCCEEDED}

    in_virtual_time(scene)


def test_a_key_that_changes_to_another_wrong_one_is_probed_once_and_then_as_before(tmp_path: Path) -> None:
    keys = ["wrong"]

    async def scene() -> None:
        async with living(tmp_path, key="wrong", find_key=lambda: FoundKey(keys[-1], "f")) as bench:
            bench.door.refuse = only_with("right")
            await bench.submit(*some_jobs(5))
            await asyncio.sleep(10 * MINUTE_S)
            keys.append("wrong too")
            before = now_s()
            await asyncio.sleep(9 * MINUTE_S)
            assert len(bench.door.came_between(before, now_s())) == 3

    in_virtual_time(scene)


def test_a_monthly_cap_is_lifted_by_the_turn_of_the_month(tmp_path: Path) -> None:
    epoch = "2026-11-30T21:30:00"

    async def scene() -> None:
        midnight_s = 2.5 * HOUR_S
        twin = a_virtual_twin(epoch, faults=(Fault("spend_cap", until_s=midnight_s),))
        async with living(tmp_path, twin, epoch=epoch) as bench:
            ids = await bench.submit(*some_jobs(QUEUED))
            await asyncio.sleep(midnight_s - 1)
            assert await bench.states(ids) == {JobState.QUEUED}
            assert len(bench.door.came_between(60, midnight_s)) == 1
            await asyncio.sleep(2 * MINUTE_S)
            assert await bench.states(ids) == {JobState.SUCCEEDED}

    in_virtual_time(scene)


def test_a_cap_that_outlasts_our_midnight_by_a_wrong_clock_is_probed_again_within_minutes(
    tmp_path: Path,
) -> None:
    epoch = "2026-11-30T23:00:00"

    async def scene() -> None:
        twin = a_virtual_twin(epoch, faults=(Fault("spend_cap", until_s=HOUR_S + 90),))
        async with living(tmp_path, twin, epoch=epoch) as bench:
            ids = await bench.submit(*some_jobs(10))
            await asyncio.sleep(HOUR_S + 5 * MINUTE_S)
            assert await bench.states(ids) == {JobState.SUCCEEDED}

    in_virtual_time(scene)


def test_a_probe_that_meets_an_overload_proves_nothing_and_another_goes_soon(tmp_path: Path) -> None:
    async def scene() -> None:
        twin = a_virtual_twin(faults=(Fault("credit_empty"),))
        async with living(tmp_path, twin) as bench:
            ids = await bench.submit(*some_jobs(20))
            await asyncio.sleep(30)
            twin.replace_faults((Fault("overloaded_529", calls=(1, 1)),))
            await asyncio.sleep(90)
            assert await bench.states(ids) == {JobState.SUCCEEDED}

    in_virtual_time(scene)


def test_a_hold_outlives_restarts_and_does_not_probe_more_for_them(tmp_path: Path) -> None:
    async def scene() -> None:
        twin = a_virtual_twin(faults=(Fault("auth_401"),))
        came: list[float] = []
        ids: list[JobId] = []
        for _ in range(40):
            async with living(tmp_path, twin) as bench:
                ids = ids or await bench.submit(*some_jobs(30))
                await asyncio.sleep(20)
                came += bench.door.came_s
                assert [hold.cause for hold in (await bench.parts.desk.status()).holds] == ["authentication"]
        probes = [moment for moment in came if moment > 10]
        assert 3 <= len(probes) <= 5
        assert most_within(probes, 10 * MINUTE_S) <= 3
        twin.replace_faults(())
        async with living(tmp_path, twin) as bench:
            await asyncio.sleep(15 * MINUTE_S)
            assert await bench.states(ids) == {JobState.SUCCEEDED}

    in_virtual_time(scene)


def test_a_probe_is_on_the_disk_before_it_leaves(tmp_path: Path) -> None:
    async def scene() -> None:
        async with living(tmp_path) as bench:
            bench.door.refuse = only_with("another key")
            await bench.submit(a_job())
            await asyncio.sleep(30)
            bench.door.delay_s = 1_000.0
            await asyncio.sleep(60)
            assert len(bench.door.came_s) == 2
            [hold] = await bench.parts.shared.store.read(store_holds.holds)
            probe_ms = bench.clock.epoch_ms() - round((now_s() - bench.door.came_s[1]) * 1000)
            assert [abs(moment - probe_ms) < 1_000 for moment in hold.probed_ms] == [True]

    in_virtual_time(scene)


def test_a_403_for_one_job_after_the_other_holds_their_model_and_fails_none(tmp_path: Path) -> None:
    async def scene() -> None:
        def refuse(request: httpx2.Request) -> httpx2.Response | None:
            return (
                refused(403, "permission_error", "no access") if MODEL.encode() in request.content else None
            )

        async with living(tmp_path) as bench:
            bench.door.refuse = refuse
            ids = await bench.submit(*some_jobs(200))
            fine = await bench.submit(a_job(model="claude-opus-5-5"))
            await asyncio.sleep(20 * MINUTE_S)
            [held] = bench.recorder.of(HoldSet)
            assert (held.hold.cause, held.hold.scope) == ("permission", Scope(ScopeKind.MODEL, MODEL))
            assert await bench.states(ids) == {JobState.QUEUED}
            assert await bench.states(fine) == {JobState.SUCCEEDED}
            assert most_within(bench.door.came_between(30, now_s()), 10 * MINUTE_S) <= 3
            bench.door.refuse = lambda _: None
            await asyncio.sleep(35 * MINUTE_S)
            assert await bench.states(ids) == {JobState.SUCCEEDED}

    in_virtual_time(scene)


def test_a_403_that_one_job_alone_gets_fails_that_job_and_holds_nothing(tmp_path: Path) -> None:
    async def scene() -> None:
        def refuse(request: httpx2.Request) -> httpx2.Response | None:
            return refused(403, "permission_error", "not this") if b"Ticket 7:" in request.content else None

        async with living(tmp_path) as bench:
            bench.door.refuse = refuse
            ids = await bench.submit(*some_jobs(20))
            await asyncio.sleep(MINUTE_S)
            by_state = {record.id: record.state for record in await bench.records(ids)}
            assert [job_id for job_id, state in by_state.items() if state is JobState.FAILED] == [ids[6]]
            assert set(by_state.values()) == {JobState.FAILED, JobState.SUCCEEDED}
            assert bench.recorder.of(HoldSet) == []

    in_virtual_time(scene)


def test_two_jobs_with_a_403_of_their_own_do_not_keep_their_model_held_for_ever(tmp_path: Path) -> None:
    async def scene() -> None:
        def refuse(request: httpx2.Request) -> httpx2.Response | None:
            own = any(text in request.content for text in (b"Ticket 1:", b"Ticket 2:"))
            return refused(403, "permission_error", "not this") if own else None

        async with living(tmp_path) as bench:
            bench.door.refuse = refuse
            ids = await bench.submit(*some_jobs(2))
            await asyncio.sleep(5)
            ids += await bench.submit(*(a_job(number) for number in range(3, 30)))
            await asyncio.sleep(20 * MINUTE_S)
            assert await bench.states(ids[2:]) == {JobState.SUCCEEDED}
            assert JobState.SUCCEEDED not in await bench.states(ids[:2])

    in_virtual_time(scene)


@pytest.mark.parametrize(
    "scope", ["all", "pool:haiku-5.5", f"model:{MODEL}", "lane:standard", "workflow:default"]
)
def test_a_scope_held_by_hand_waits_until_it_is_released(tmp_path: Path, scope: str) -> None:
    async def scene() -> None:
        async with living(tmp_path) as bench:
            desk = bench.parts.desk.holds
            await desk.set(by_hand(scope))
            ids = await bench.submit(*some_jobs(30))
            others = await bench.submit(a_job(model="claude-opus-5-5", lane="bulk", workflow="reports"))
            await asyncio.sleep(20 * MINUTE_S)
            assert await bench.states(ids) == {JobState.QUEUED}
            assert await bench.states(others) == {JobState.QUEUED if scope == "all" else JobState.SUCCEEDED}
            [row] = await desk.in_force()
            assert row.waiting_jobs == (31 if scope == "all" else 30)
            await lets_through(bench, scope)
            await asyncio.sleep(20)
            assert await bench.states(ids + others) == {JobState.SUCCEEDED}

    in_virtual_time(scene)


def test_a_job_held_by_hand_stays_queued_and_stops_no_other(tmp_path: Path) -> None:
    async def scene() -> None:
        async with living(tmp_path) as bench:
            desk = bench.parts.desk.holds
            await desk.set(by_hand("all"))
            ids = await bench.submit(*some_jobs(5))
            await desk.set(by_hand(f"job:{ids[0]}"))
            await lets_through(bench, "all")
            await asyncio.sleep(MINUTE_S)
            assert await bench.states(ids[:1]) == {JobState.QUEUED}
            assert await bench.states(ids[1:]) == {JobState.SUCCEEDED}
            assert [(row.hold.scope.name, row.waiting_jobs) for row in await desk.in_force()] == [("1", 1)]
            await lets_through(bench, f"job:{ids[0]}")
            await asyncio.sleep(MINUTE_S)
            assert await bench.states(ids) == {JobState.SUCCEEDED}

    in_virtual_time(scene)


def test_a_job_held_while_it_waits_for_its_time_or_while_it_runs_does_not_go_again(tmp_path: Path) -> None:
    async def scene() -> None:
        twin = a_virtual_twin(ttft_s=10.0, faults=(Fault("silent", calls=(1, 1), for_s=5.0),))
        async with living(tmp_path, twin) as bench:
            [running] = await bench.submit(a_job(1))
            [later] = await bench.submit(a_job(2, not_before="+60s"))
            await asyncio.sleep(1)
            desk = bench.parts.desk.holds
            for job_id in (running, later):
                await desk.set(by_hand(f"job:{job_id}"))
            bench.door.refuse = lambda _: refused(500, "api_error", "no")
            await asyncio.sleep(20 * MINUTE_S)
            bench.door.refuse = lambda _: None
            calls = len(bench.door.came_s)
            assert await bench.states([later]) == {JobState.QUEUED}
            await asyncio.sleep(20 * MINUTE_S)
            assert len(bench.door.came_s) == calls
            for job_id in (running, later):
                if await bench.states([job_id]) == {JobState.QUEUED}:
                    await lets_through(bench, f"job:{job_id}")
            await asyncio.sleep(MINUTE_S)
            assert await bench.states([running, later]) == {JobState.SUCCEEDED}

    in_virtual_time(scene)


def test_a_job_that_is_held_until_before_its_own_time_goes_at_its_own_time(tmp_path: Path) -> None:
    async def scene() -> None:
        async with living(tmp_path) as bench:
            [job] = await bench.submit(a_job(1, not_before="+600s"))
            until_ms = bench.clock.epoch_ms() + 60_000
            await bench.parts.desk.holds.set(by_hand(f"job:{job}", until_ms=until_ms))
            await asyncio.sleep(590)
            assert await bench.states([job]) == {JobState.QUEUED}
            await asyncio.sleep(30)
            assert await bench.states([job]) == {JobState.SUCCEEDED}
            assert 600 <= bench.door.came_s[0] < 603

    in_virtual_time(scene)


def test_holds_on_jobs_that_are_over_end_by_themselves(tmp_path: Path) -> None:
    async def scene() -> None:
        async with living(tmp_path) as bench:
            desk = bench.parts.desk
            await desk.holds.set(by_hand("all"))
            ids = await bench.submit(a_job(1), a_job(2, deadline="+30s"), a_job(3))
            for job_id in ids:
                await desk.holds.set(by_hand(f"job:{job_id}"))
            await desk.cancel(ids[0])
            await asyncio.sleep(MINUTE_S)
            held = [str(row.hold.scope) for row in await desk.holds.in_force()]
            assert held == ["all", f"job:{ids[2]}"]
            await desk.retry(ids[0])
            await lets_through(bench, "all")
            await asyncio.sleep(MINUTE_S)
            assert [record.state for record in await bench.records(ids)] == ["succeeded", "expired", "queued"]

    in_virtual_time(scene)


def test_a_hold_by_hand_ends_at_its_time_even_when_the_daemon_was_down_then(tmp_path: Path) -> None:
    async def scene() -> None:
        twin = a_virtual_twin()
        async with living(tmp_path, twin) as bench:
            until_ms = bench.clock.epoch_ms() + 600_000
            await bench.parts.desk.holds.set(by_hand("lane:standard", until_ms=until_ms))
            ids = await bench.submit(*some_jobs(5))
            await asyncio.sleep(500)
            assert await bench.states(ids) == {JobState.QUEUED}
        await asyncio.sleep(200)
        async with living(tmp_path, twin) as bench:
            await asyncio.sleep(10)
            assert await bench.states(ids) == {JobState.SUCCEEDED}
            [newest, oldest] = await bench.parts.desk.holds.history(10)
            assert (oldest.action, oldest.who, oldest.reason) == (HoldAction.SET, "anna", "maintenance")
            assert (newest.action, newest.who, newest.reason) == (
                HoldAction.RELEASED,
                "claudeflow",
                "its time is over",
            )
            assert await bench.parts.desk.holds.in_force() == []

    in_virtual_time(scene)


def test_a_hold_by_hand_and_one_of_claudeflow_on_everything_end_each_by_its_own_way(tmp_path: Path) -> None:
    async def scene() -> None:
        twin = a_virtual_twin(faults=(Fault("credit_empty"),))
        async with living(tmp_path, twin) as bench:
            desk = bench.parts.desk.holds
            ids = await bench.submit(*some_jobs(10))
            await asyncio.sleep(10)
            await desk.set(by_hand("all"))
            before = len(bench.door.came_s)
            await asyncio.sleep(20 * MINUTE_S)
            assert len(bench.door.came_s) == before
            done = await desk.release(EVERYTHING, None, "looked at", "ben")
            assert [hold.cause for hold in done.released] == [HoldCause.MANUAL]
            assert [hold.cause for hold in done.remaining] == [HoldCause.CREDIT]
            await asyncio.sleep(10)
            assert await bench.states(ids) == {JobState.QUEUED}
            await desk.set(by_hand("all"))
            done = await desk.release(EVERYTHING, HoldCause.CREDIT, "topped up", "ben")
            assert [hold.cause for hold in done.remaining] == [HoldCause.MANUAL]
            twin.replace_faults(())
            await asyncio.sleep(20 * MINUTE_S)
            assert await bench.states(ids) == {JobState.QUEUED}
            await lets_through(bench, "all")
            await asyncio.sleep(10)
            assert await bench.states(ids) == {JobState.SUCCEEDED}
            told = [(one.action, one.cause, one.who) for one in reversed(await desk.history(10))]
            assert told == [
                ("set", "credit", "claudeflow"),
                ("set", "manual", "anna"),
                ("released", "manual", "ben"),
                ("set", "manual", "anna"),
                ("released", "credit", "ben"),
                ("released", "manual", "ben"),
            ]

    in_virtual_time(scene)


def test_releasing_a_cap_by_hand_goes_at_once_and_a_cap_that_is_still_there_holds_again(
    tmp_path: Path,
) -> None:
    async def scene() -> None:
        fault = Fault("spend_cap")
        twin = a_virtual_twin(faults=(fault,))
        async with living(tmp_path, twin) as bench:
            ids = await bench.submit(*some_jobs(100))
            for held in (1, 2):
                await asyncio.sleep(60)
                assert len(bench.recorder.of(HoldSet)) == held
                assert await bench.states(ids) == {JobState.QUEUED}
                twin.replace_faults((fault,) if held == 1 else ())
                await bench.parts.desk.holds.release(EVERYTHING, HoldCause.SPEND_CAP, "raised", "ben")
            await asyncio.sleep(60)
            assert len(bench.recorder.of(HoldSet)) == 2
            assert await bench.states(ids) == {JobState.SUCCEEDED}

    in_virtual_time(scene)


def test_a_retry_window_does_not_run_while_everything_is_held(tmp_path: Path) -> None:
    async def scene() -> None:
        twin = a_virtual_twin(faults=(Fault("error_500", calls=(1, 1)), Fault("auth_401")))
        config = a_config(tmp_path, lanes={"standard": LaneSettings(retry_window_s=60.0)})
        async with living(tmp_path, twin, config=config) as bench:
            [job] = await bench.submit(a_job())
            await asyncio.sleep(30 * MINUTE_S)
            twin.replace_faults((Fault("error_500", calls=(1, 1)),))
            await asyncio.sleep(10 * MINUTE_S)
            [record] = await bench.records([job])
            assert (record.state, record.attempts) == (JobState.SUCCEEDED, 3)

    in_virtual_time(scene)


def test_what_cannot_be_held_is_refused(tmp_path: Path) -> None:
    async def scene() -> None:
        async with living(tmp_path) as bench:
            desk = bench.parts.desk.holds
            [done] = await bench.submit(a_job())
            await asyncio.sleep(MINUTE_S)
            with pytest.raises(JobNotFound):
                await desk.set(by_hand("job:99"))
            with pytest.raises(Conflict, match="job 1 is succeeded"):
                await desk.set(by_hand(f"job:{done}"))
            with pytest.raises(InvalidHold, match=r'no lane "bluk"; known are bulk.*Did you mean "bulk"'):
                await desk.set(by_hand("lane:bluk"))
            with pytest.raises(InvalidHold, match="must lie in the future"):
                await desk.set(by_hand("all", until_ms=bench.clock.epoch_ms()))
            with pytest.raises(HoldNotFound, match="nothing holds all; held now: nothing"):
                await desk.release(EVERYTHING, None, "r", "ben")
            assert await desk.history(10) == []

    in_virtual_time(scene)
