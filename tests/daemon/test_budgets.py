"""Budgets at work: a reached cap holds with a reason, and more money or a new period lets the work go on."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

from claudeflow.config import Config
from claudeflow.domain.events import CallEnded, JobFinished
from claudeflow.domain.job import JobId, JobState
from claudeflow.policy.lanes.settings import LaneSettings
from claudeflow.policy.money.budget import BudgetStatus
from claudeflow.policy.money.settings import BudgetSettings
from claudeflow.twin.faults import Fault
from tests.support.books import calls_of, disagreements
from tests.support.clocks import WoundClock
from tests.support.daemons import a_config, a_job, a_twin, running, some_jobs, until, yield_to_others
from tests.support.stuck import stuck_writer
from tests.support.virtual import VirtualBench, a_virtual_twin, in_virtual_time, living

BOUND_NANOUSD = 175_000
"""Of one of `some_jobs`: some 80 bytes of text at $0.10 a million, 300 tokens at $0.50, and a tenth more."""
COST_NANOUSD = 12_500
"""What it costs, or a little less: at most 25 tokens of text and 20 of answer."""


def budgets(usd: float, **more: Any) -> dict[str, BudgetSettings]:
    return {"team": BudgetSettings(usd, **more)}


def a_budget_of(folder: Path, nanousd: float, **more: Any) -> Config:
    return a_config(folder, budgets=budgets(nanousd / 1e9, **more))


def reload(bench: VirtualBench, **changes: Any) -> None:
    """What SIGHUP does with a configuration that was changed."""
    bench.parts.shared.config = replace(bench.parts.shared.config, **changes)
    bench.parts.engine.reconfigure()


def status(bench: VirtualBench, name: str = "team") -> BudgetStatus:
    return next(one for one in bench.parts.shared.budgets.status() if one.budget.name == name)


async def why(bench: VirtualBench, job_id: JobId) -> tuple[str, str]:
    found = await bench.parts.desk.queue.explain(job_id)
    return found.rule, found.why


async def succeeded(bench: VirtualBench, ids: list[JobId]) -> int:
    return [one.state for one in await bench.records(ids)].count(JobState.SUCCEEDED)


def test_a_reached_cap_holds_with_a_reason_and_a_higher_one_lets_the_work_go_on(tmp_path: Path) -> None:
    async def scene() -> None:
        twin = a_virtual_twin(ttft_s=1.0)
        async with living(tmp_path, twin, config=a_budget_of(tmp_path, 400_000)) as bench:
            ids = await bench.submit(*some_jobs(40))
            await asyncio.sleep(300)
            done = await succeeded(bench, ids)
            assert 8 <= done < 40
            assert await bench.states(ids) == {JobState.SUCCEEDED, JobState.QUEUED}
            rule, reason = await why(bench, ids[-1])
            assert rule == "budget"
            assert reason.startswith("budget team: $0.000")
            assert " of $0.000400 spent until 1 December; raise it with `claudeflow budget set team" in reason
            assert (status(bench).state, status(bench).in_flight) == ("held", 0)
            assert 0 <= status(bench).left_nanousd < BOUND_NANOUSD
            [listed] = await bench.parts.desk.holds.in_force()
            assert (str(listed.hold.scope), listed.hold.cause, listed.waiting_jobs) == (
                "all",
                "budget",
                40 - done,
            )
            assert listed.hold.reason.startswith("budget team: ")
            assert (await bench.parts.desk.status()).holds == (listed.hold,)
            reload(bench, budgets=budgets(1.0))
            await asyncio.sleep(60)
            assert await bench.states(ids) == {JobState.SUCCEEDED}
            assert {one.attempts for one in await bench.records(ids)} == {1}
            assert (status(bench).state, status(bench).reserved_nanousd) == ("open", 0)
            assert await bench.parts.desk.holds.in_force() == []

    in_virtual_time(scene)


def test_the_next_day_lets_the_work_go_on_by_itself(tmp_path: Path) -> None:
    async def scene() -> None:
        config = a_budget_of(tmp_path, 300_000, period="day")
        twin = a_virtual_twin("2026-11-22T23:00:00")
        async with living(tmp_path, twin, config=config, epoch="2026-11-22T23:00:00") as bench:
            ids = await bench.submit(*some_jobs(20))
            await asyncio.sleep(3_599)
            today = await succeeded(bench, ids)
            assert 0 < today < 20
            assert (await why(bench, ids[-1]))[0] == "budget"
            await asyncio.sleep(2)
            assert today < await succeeded(bench, ids)
            assert all(one.spent_nanousd <= 300_000 for one in bench.parts.shared.budgets.status())

    in_virtual_time(scene)


def test_whoever_is_not_covered_goes_on(tmp_path: Path) -> None:
    async def scene() -> None:
        config = a_config(
            tmp_path,
            budgets={
                "bulk": BudgetSettings(50e-6, scope="lane:bulk"),
                "vendors": BudgetSettings(50e-6, scope="workflow:vendors"),
            },
        )
        async with living(tmp_path, config=config) as bench:
            bulk = await bench.submit(*some_jobs(5, lane="bulk", workflow="triage"))
            vendors = await bench.submit(*some_jobs(5, workflow="vendors"))
            free = await bench.submit(*some_jobs(5, workflow="triage"))
            await asyncio.sleep(60)
            assert await bench.states(free) == {JobState.SUCCEEDED}
            assert await bench.states([*bulk, *vendors]) == {JobState.QUEUED}
            assert "budget bulk: $0.00 of $0.000050" in (await why(bench, bulk[0]))[1]
            assert "budget vendors" in (await why(bench, vendors[0]))[1]

    in_virtual_time(scene)


def test_a_smaller_job_passes_one_that_is_too_dear(tmp_path: Path) -> None:
    async def scene() -> None:
        async with living(tmp_path, config=a_budget_of(tmp_path, 300_000)) as bench:
            large = a_job(1)
            large["request"]["max_tokens"] = 10_000
            dear = await bench.submit(*[large] * 400)
            small = await bench.submit(*some_jobs(3))
            await asyncio.sleep(60)
            assert await bench.states(small) == {JobState.SUCCEEDED}
            assert await bench.states(dear) == {JobState.QUEUED}
            assert "(this call may cost $0.005" in (await why(bench, dear[0]))[1]
            [late] = await bench.submit(a_job(7))
            await asyncio.sleep(5)
            assert await bench.states([late]) == {JobState.SUCCEEDED}

    in_virtual_time(scene)


def test_a_job_waits_for_those_under_way_and_goes_alone_if_need_be(tmp_path: Path) -> None:
    async def scene() -> None:
        twin = a_virtual_twin(ttft_s=10.0)
        async with living(tmp_path, twin, config=a_budget_of(tmp_path, 300_000)) as bench:
            ids = await bench.submit(*some_jobs(6))
            await asyncio.sleep(1)
            assert status(bench).in_flight == 1
            assert status(bench).state == "waiting"
            rule, reason = await why(bench, ids[-1])
            assert rule == "budget_in_flight"
            assert "1 call under way may need $0.000" in reason
            await asyncio.sleep(100)
            assert await succeeded(bench, ids) >= 3

    in_virtual_time(scene)


def test_what_a_call_cut_short_may_have_cost_counts_and_is_known_to_the_next_daemon(tmp_path: Path) -> None:
    async def scene() -> None:
        config = a_budget_of(tmp_path, 2_000_000)
        twin = a_virtual_twin(ttft_s=1.0, faults=(Fault("conn_reset", calls=(1, 5)),))
        async with living(tmp_path, twin, config=config) as bench:
            ids = await bench.submit(*some_jobs(5))
            await asyncio.sleep(60)
            assert await bench.states(ids) == {JobState.SUCCEEDED}
            unknown = sum(
                call.reserved_nanousd for call in calls_of(tmp_path / "store.db") if call.state == "unknown"
            )
            assert status(bench).unknown_nanousd == unknown > 0
            before = status(bench)
        async with living(tmp_path, twin, config=config) as bench:
            assert status(bench) == before
        invoice = {line.request_id: line.cost_nanousd for line in twin.invoice().lines}
        assert disagreements(tmp_path / "store.db", invoice) == []

    in_virtual_time(scene)


def test_a_retry_window_does_not_run_while_money_is_short(tmp_path: Path) -> None:
    async def scene() -> None:
        twin = a_virtual_twin(faults=(Fault("error_500", calls=(1, 1)),))
        config = replace(a_budget_of(tmp_path, 500_000), lanes={"standard": LaneSettings(retry_window_s=20)})
        async with living(tmp_path, twin, config=config) as bench:
            [first] = await bench.submit(a_job(1))
            await asyncio.sleep(1)
            reload(bench, budgets=budgets(1e-9))
            [job] = await bench.submit(a_job(2))
            await asyncio.sleep(300)
            assert await bench.states([job]) == {JobState.QUEUED}
            reload(bench, budgets={})
            await asyncio.sleep(60)
            assert await bench.states([first, job]) == {JobState.SUCCEEDED}
            assert all(event.error is None for event in bench.recorder.of(JobFinished))

    in_virtual_time(scene)


def test_without_faults_less_than_one_call_is_left_of_a_cap(tmp_path: Path) -> None:
    async def scene() -> None:
        cap = 100 * COST_NANOUSD
        twin = a_virtual_twin(ttft_s=0.5, tokens_per_s=50.0)
        async with living(tmp_path, twin, config=a_budget_of(tmp_path, cap)) as bench:
            ids = await bench.submit(*some_jobs(1_000))
            await asyncio.sleep(60)
            found = status(bench)
            assert 0 <= found.left_nanousd < BOUND_NANOUSD
            assert found.spent_nanousd == twin.invoice().total_nanousd <= cap
            assert found.spent_nanousd > 0.85 * cap
            assert await succeeded(bench, ids) == len(bench.recorder.of(CallEnded))
            print(f"{found.spent_nanousd / cap:.1%} of the cap, {await succeeded(bench, ids)} calls")

    in_virtual_time(scene)


async def test_nothing_is_given_back_before_the_end_of_the_call_is_on_the_disk(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, ttft_s=0.2)
    config = a_budget_of(tmp_path, 2 * BOUND_NANOUSD)
    async with running(tmp_path, twin, clock=clock, config=config) as bench:
        budgets_of = bench.parts.shared.budgets
        [first] = await bench.submit(a_job(1))
        await until(lambda: twin.stats().in_flight == 1)
        async with stuck_writer(bench.parts.shared.store):
            await until(lambda: len(bench.recorder.of(CallEnded)) == 1)
            await yield_to_others(50)
            assert budgets_of.status()[0].reserved_nanousd > COST_NANOUSD
        await bench.finished([first])
        assert (budgets_of.status()[0].in_flight, budgets_of.status()[0].reserved_nanousd) == (0, 0)
