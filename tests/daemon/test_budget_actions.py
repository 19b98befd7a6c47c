"""What thresholds of budgets do in the whole daemon, over days: begun, told once, ended by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from claudeflow.config import Config
from claudeflow.daemon.calls.choosing import CLAIM_LIMIT
from claudeflow.daemon.shared import EventStream
from claudeflow.daemon.wiring import parts
from claudeflow.domain.budget import BudgetAct
from claudeflow.domain.budget_events import BudgetEased, BudgetThreshold
from claudeflow.domain.events import ConfigReloaded, HoldReleased, HoldSet, JobFinished, OwnTrouble
from claudeflow.domain.hold import EVERYTHING, Hold, HoldCause, Scope, ScopeKind
from claudeflow.domain.job import JobId, JobState
from claudeflow.intake.desks.budgets import BudgetNotFound, NewLimit, NothingToRelease
from claudeflow.policy.money.scopes import CallScope
from claudeflow.policy.money.settings import BudgetSettings, ThresholdSettings
from claudeflow.simulation.timeline import VirtualTimeLoop
from tests.support.daemons import a_config, a_job, some_jobs
from tests.support.virtual import VirtualBench, a_virtual_twin, in_virtual_time, living, now_s

DAY_S, HOUR_S = 86_400.0, 3_600.0
OPUS, SONNET, HAIKU = "claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"
ALICE = "alice"

A_JOB_USD = 0.00053
"""About what a job for Opus costs here."""


def a_budget(
    *thresholds: tuple[float, str],
    limit_usd: float = 10 * A_JOB_USD,
    forecast: bool = False,
    hard: bool = False,
    **more: Any,
) -> BudgetSettings:
    found = tuple(ThresholdSettings(at, action, forecast) for at, action in thresholds)  # type: ignore[arg-type]
    return BudgetSettings(limit_usd, thresholds=found, hard=hard, **more)


def with_budgets(folder: Path, fallback: dict[str, str] | None = None, **budgets: BudgetSettings) -> Config:
    return a_config(folder, budgets=budgets, fallback=fallback or {})


async def spend(bench: VirtualBench, jobs: int, **envelope: Any) -> None:
    """Let so many jobs for Opus through, one by one, and let the budgets look. Its cost is known."""
    workflow = envelope.get("workflow", "default")
    bench.parts.shared.budgets.learn(workflow, OPUS, round(A_JOB_USD * 1e9))
    for number in range(jobs):
        [job_id] = await bench.submit(a_job(number, model=OPUS, **envelope))
        await _ended(bench, job_id)
    await asyncio.sleep(2.0)


def held(bench: VirtualBench) -> list[tuple[str, HoldCause]]:
    in_force = bench.parts.shared.holds.in_force(bench.clock.epoch_ms())
    return [(str(hold.scope), hold.cause) for hold in in_force]


async def set_limit(bench: VirtualBench, name: str, usd: float, *, until_reset: bool = False) -> None:
    await bench.parts.desk.budgets.set(
        NewLimit(name, round(usd * 1e9), "more is needed", ALICE, until_reset=until_reset)
    )


def test_a_job_costs_what_these_tests_take_it_to_cost(tmp_path: Path) -> None:
    async def scene() -> None:
        async with living(tmp_path, config=with_budgets(tmp_path, team=a_budget())) as bench:
            await spend(bench, 2)
            [report] = (await bench.parts.desk.budgets.show()).budgets
            assert report.spent_nanousd == pytest.approx(2 * A_JOB_USD * 1e9, rel=0.1)

    in_virtual_time(scene)


def test_each_threshold_is_told_once_per_period_over_restarts_and_again_in_the_next(tmp_path: Path) -> None:
    config = with_budgets(tmp_path, team=a_budget((0.2, "notify"), (0.5, "notify"), period="day"))

    async def scene() -> None:
        async with living(tmp_path, config=config) as bench:
            await spend(bench, 3)
            assert [event.at_share for event in bench.recorder.of(BudgetThreshold)] == [0.2]
            await spend(bench, 5)
            told = bench.recorder.of(BudgetThreshold)
            assert [(event.at_share, event.action, event.budget) for event in told] == [
                (0.2, "notify", "team"),
                (0.5, "notify", "team"),
            ]
            assert told[1].share >= 0.5
        async with living(tmp_path, config=config) as bench:
            await spend(bench, 2)
            assert bench.recorder.of(BudgetThreshold) == []
            await asyncio.sleep(DAY_S)
            assert len(bench.recorder.of(BudgetEased)) == 2
            await spend(bench, 3)
            assert [event.at_share for event in bench.recorder.of(BudgetThreshold)] == [0.2]

    in_virtual_time(scene)


@pytest.mark.parametrize(
    ("action", "scope", "expected"),
    [
        ("hold_lane", "lane:bulk", "lane:bulk"),
        ("hold_lane", "workflow:triage", "workflow:triage"),
        ("hold_all", "lane:bulk", "all"),
    ],
)
def test_a_threshold_holds_what_it_says_until_the_month_turns(
    tmp_path: Path, action: str, scope: str, expected: str
) -> None:
    config = with_budgets(tmp_path, team=a_budget((0.3, action), scope=scope))

    async def scene() -> None:
        async with living(tmp_path, config=config, epoch="2026-11-29T12:00:00") as bench:
            await spend(bench, 4, lane="bulk", workflow="triage")
            assert held(bench) == [(expected, HoldCause.BUDGET)]
            [waiting] = await bench.submit(a_job(90, model=OPUS, lane="bulk", workflow="triage"))
            [other] = await bench.submit(a_job(91, model=OPUS, lane="standard", workflow="other"))
            await asyncio.sleep(HOUR_S)
            assert await bench.states([waiting]) == {JobState.QUEUED}
            goes = JobState.QUEUED if expected == "all" else JobState.SUCCEEDED
            assert await bench.states([other]) == {goes}
        await asyncio.sleep(DAY_S)
        async with living(tmp_path, config=config, epoch="2026-11-29T12:00:00") as bench:
            await asyncio.sleep(10 * HOUR_S)
            assert held(bench) == [(expected, HoldCause.BUDGET)]
            assert await bench.states([waiting]) == {JobState.QUEUED}
            assert bench.recorder.of(HoldSet) == []
            await asyncio.sleep(2 * HOUR_S)
            assert held(bench) == []
            assert await bench.states([waiting, other]) == {JobState.SUCCEEDED}

    in_virtual_time(scene)


def test_raising_the_budget_ends_its_hold_and_survives_a_restart(tmp_path: Path) -> None:
    config = with_budgets(tmp_path, team=a_budget((0.3, "hold_all")))

    async def scene() -> None:
        async with living(tmp_path, config=config) as bench:
            await spend(bench, 4)
            ids = await bench.submit(*some_jobs(3))
            await asyncio.sleep(60)
            assert await bench.states(ids) == {JobState.QUEUED}
            released = len(bench.recorder.of(HoldReleased))
            await set_limit(bench, "team", 100 * A_JOB_USD)
            await asyncio.sleep(5)
            assert (held(bench), await bench.states(ids)) == ([], {JobState.SUCCEEDED})
            assert len(bench.recorder.of(HoldReleased)) == released + 1
        async with living(tmp_path, config=config) as bench:
            [report] = (await bench.parts.desk.budgets.show()).budgets
            assert (report.limit_nanousd, report.configured_nanousd) == (
                round(100 * A_JOB_USD * 1e9),
                round(10 * A_JOB_USD * 1e9),
            )
            assert held(bench) == []

    in_virtual_time(scene)


def test_a_hard_cap_lets_go_what_waits_when_it_is_raised_until_the_reset(tmp_path: Path) -> None:
    config = with_budgets(tmp_path, team=a_budget(limit_usd=0.02, period="day", hard=True))

    async def scene() -> None:
        async with living(tmp_path, config=config, epoch="2026-11-22T20:00:00") as bench:
            ids = await bench.submit(*(a_job(number, model=OPUS) for number in range(60)))
            await asyncio.sleep(60)
            assert await bench.states(ids) == {JobState.QUEUED, JobState.SUCCEEDED}
            with pytest.raises(NothingToRelease, match=r"cannot be released.*budget set team"):
                await bench.parts.desk.budgets.release("team", "please", ALICE)
            await set_limit(bench, "team", 1.0, until_reset=True)
            await asyncio.sleep(60)
            assert await bench.states(ids) == {JobState.SUCCEEDED}
            await asyncio.sleep(4 * HOUR_S)
            [report] = (await bench.parts.desk.budgets.show()).budgets
            assert (report.limit_nanousd, report.limit_until_ms) == (20_000_000, None)

    in_virtual_time(scene)


def test_what_a_person_releases_stays_released_until_the_period_ends(tmp_path: Path) -> None:
    config = with_budgets(tmp_path, team=a_budget((0.3, "hold_all"), period="day"))

    async def scene() -> None:
        async with living(tmp_path, config=config) as bench:
            await spend(bench, 4)
            await bench.parts.desk.holds.release(EVERYTHING, None, "the customer waits", ALICE)
            assert held(bench) == []
            await spend(bench, 3)
            assert held(bench) == []
            [change] = [
                one for one in await bench.parts.desk.budgets.history(9) if one.act is BudgetAct.RELEASED
            ]
            assert (change.budget, change.who, change.reason) == ("team", ALICE, "the customer waits")
        async with living(tmp_path, config=config) as bench:
            await spend(bench, 1)
            assert held(bench) == []
            await asyncio.sleep(DAY_S)
            await spend(bench, 4)
            assert held(bench) == [("all", HoldCause.BUDGET)]

    in_virtual_time(scene)


def test_two_budgets_hold_the_same_scope_each_for_itself(tmp_path: Path) -> None:
    budgets = {"day": a_budget((0.3, "hold_all"), period="day"), "month": a_budget((0.3, "hold_all"))}

    async def scene() -> None:
        async with living(tmp_path, config=with_budgets(tmp_path, None, **budgets)) as bench:
            await spend(bench, 4)
            assert held(bench) == [("all", HoldCause.BUDGET)] * 2
            await bench.parts.desk.budgets.release("day", "one of them", ALICE)
            assert held(bench) == [("all", HoldCause.BUDGET)]
            [hold] = bench.parts.shared.holds.in_force(bench.clock.epoch_ms())
            assert hold.set_by == "budget month"

    in_virtual_time(scene)


def test_a_slowed_scope_spends_what_is_left_evenly_over_the_period(tmp_path: Path) -> None:
    slow = a_budget((0.2, "slow"), limit_usd=60 * A_JOB_USD, period="day", scope="lane:bulk")

    async def scene() -> None:
        config = with_budgets(tmp_path, team=slow)
        async with living(tmp_path, config=config, epoch="2026-11-22T00:00:00") as bench:
            await spend(bench, 13, lane="bulk")
            ids = await bench.submit(*(a_job(100 + n, model=OPUS, lane="bulk") for n in range(200)))
            [fast] = await bench.submit(a_job(900, model=OPUS, lane="interactive"))
            await asyncio.sleep(60)
            assert await bench.states([fast]) == {JobState.SUCCEEDED}
            done = [await _succeeded(bench, ids)]
            for _ in range(3):
                await asyncio.sleep(6 * HOUR_S)
                done.append(await _succeeded(bench, ids))
            steps = [later - earlier for earlier, later in pairwise(done)]
            assert all(8 <= step <= 16 for step in steps), steps
            found = await bench.parts.desk.queue.explain(ids[-1])
            assert found.rule == "budget_pace"
            [report] = (await bench.parts.desk.budgets.show()).budgets
            assert report.spent_nanousd <= report.limit_nanousd

    in_virtual_time(scene)


async def _ended(bench: VirtualBench, job_id: JobId) -> None:
    await bench.recorder.wait_for(JobFinished, lambda event: event.job_id == job_id)


async def _succeeded(bench: VirtualBench, ids: Sequence[Any]) -> int:
    return sum(record.state is JobState.SUCCEEDED for record in await bench.records(ids))


def test_jobs_fall_back_to_the_cheaper_model_and_come_back(tmp_path: Path) -> None:
    config = with_budgets(
        tmp_path, {OPUS: HAIKU}, team=a_budget((0.15, "fallback"), period="day", scope="workflow:triage")
    )

    async def scene() -> None:
        async with living(tmp_path, config=config) as bench:
            await spend(bench, 2, workflow="triage")
            jobs = [a_job(50, model=OPUS, workflow=name) for name in ("triage", "other")]
            ids = await bench.submit(*jobs, {**a_job(51, model=OPUS, workflow="triage"), "not_before": "+2h"})
            fast = a_job(52, model=OPUS, workflow="triage")
            fast["request"]["speed"] = "fast"
            ids += await bench.submit(fast)
            await asyncio.sleep(10)
            fallen, other, later, stays = await bench.records(ids)
            assert (stays.model, stays.state) == (OPUS, JobState.SUCCEEDED)
            assert (fallen.model, fallen.asked_model, fallen.state) == (HAIKU, OPUS, JobState.SUCCEEDED)
            assert fallen.fallback_reason is not None
            assert "budget team" in fallen.fallback_reason
            assert (other.model, other.asked_model) == (OPUS, None)
            assert (later.model, later.asked_model, later.state) == (HAIKU, OPUS, JobState.QUEUED)
            [line] = [line for line in bench.twin.invoice().lines if line.model == HAIKU]
            assert line.cost_nanousd == fallen.cost_nanousd
            await set_limit(bench, "team", 1.0)
            await asyncio.sleep(10)
            [later] = await bench.records(ids[2:3])
            assert (later.model, later.asked_model, later.fallback_reason) == (OPUS, None, None)
            await asyncio.sleep(3 * HOUR_S)
            [later] = await bench.records(ids[2:3])
            assert (later.model, later.state) == (OPUS, JobState.SUCCEEDED)

    in_virtual_time(scene)


def test_jobs_that_wait_fall_back_and_go_out_by_the_other_pool(tmp_path: Path) -> None:
    config = with_budgets(tmp_path, {OPUS: HAIKU}, team=a_budget((0.3, "fallback")))

    async def scene() -> None:
        async with living(tmp_path, config=config) as bench:
            wanted = Scope(ScopeKind.MODEL, OPUS)
            await spend(bench, 2)
            await bench.parts.keeper.hold(wanted, "a test", None, ALICE)
            ids = await bench.submit(*(a_job(10 + n, model=OPUS) for n in range(40)))
            await asyncio.sleep(5)
            assert await bench.states(ids) == {JobState.QUEUED}
            await set_limit(bench, "team", 3 * A_JOB_USD)
            await asyncio.sleep(60)
            assert await bench.states(ids) == {JobState.SUCCEEDED}
            assert {record.model for record in await bench.records(ids)} == {HAIKU}
            assert len([one for one in bench.twin.invoice().lines if one.model == HAIKU]) == 40

    in_virtual_time(scene)


def test_a_forecast_threshold_acts_before_the_money_is_spent(tmp_path: Path) -> None:
    budget = a_budget((1.0, "notify"), limit_usd=200 * A_JOB_USD, forecast=True)

    async def scene() -> None:
        async with living(
            tmp_path, config=with_budgets(tmp_path, team=budget), epoch="2026-11-10T00:00:00"
        ) as bench:
            for _ in range(20):
                await spend(bench, 1)
                await asyncio.sleep(HOUR_S)
            [report] = (await bench.parts.desk.budgets.show()).budgets
            assert (report.forecast_nanousd, bench.recorder.of(BudgetThreshold)) == (None, [])
            for _ in range(8):
                await spend(bench, 1)
                await asyncio.sleep(HOUR_S)
            [report] = (await bench.parts.desk.budgets.show()).budgets
            assert report.forecast_nanousd == pytest.approx(report.spent_nanousd * 21 * 24 / 28, rel=0.1)
            assert "day of history" in report.forecast_basis
            [event] = bench.recorder.of(BudgetThreshold)
            assert event.forecast
            assert event.spent_nanousd < 0.2 * event.limit_nanousd

    in_virtual_time(scene)


def test_nothing_is_looked_at_while_nothing_happens(tmp_path: Path) -> None:
    config = with_budgets(tmp_path, team=a_budget((0.9, "hold_all")))

    async def scene() -> None:
        async with living(tmp_path, config=config) as bench:
            await spend(bench, 1)
            assert not bench.parts.actions.needed.is_set()
            began = now_s()
            await asyncio.sleep(DAY_S)
            assert now_s() - began == pytest.approx(DAY_S)
            assert not bench.parts.actions.needed.is_set()

    in_virtual_time(scene)


def test_a_crowd_does_not_run_past_a_threshold_that_holds(tmp_path: Path) -> None:
    config = with_budgets(tmp_path, team=a_budget((0.1, "hold_all"), limit_usd=200 * A_JOB_USD))

    async def scene() -> None:
        twin = a_virtual_twin(ttft_s=20.0)
        async with living(tmp_path, twin, config=config) as bench:
            bench.parts.shared.budgets.learn("default", OPUS, round(A_JOB_USD * 1e9))
            ids = await bench.submit(*(a_job(number, model=OPUS) for number in range(200)))
            await asyncio.sleep(15)
            left = sum(record.state is JobState.RUNNING for record in await bench.records(ids))
            assert 20 <= left <= 20 + CLAIM_LIMIT

    in_virtual_time(scene)


def test_a_hold_that_is_reached_again_as_the_day_turns_holds_in_the_new_day(tmp_path: Path) -> None:
    config = with_budgets(tmp_path, team=a_budget((0.3, "hold_all"), period="day"))

    async def scene() -> None:
        async with living(tmp_path, config=config, epoch="2026-11-22T23:59:00") as bench:
            await spend(bench, 4)
            [old] = bench.parts.shared.holds.in_force(bench.clock.epoch_ms())
            assert old.until_ms is not None
            await asyncio.sleep((old.until_ms - bench.clock.epoch_ms()) / 1000 + 0.0005)
            reached(bench)
            await bench.parts.actions.look()
            [new] = bench.parts.shared.holds.in_force(bench.clock.epoch_ms())
            assert new.until_ms == old.until_ms + DAY_S * 1000

    in_virtual_time(scene)


def reached(bench: VirtualBench) -> None:
    """A call is under way that is expected to cost all of the budget."""
    call, dear = CallScope("standard", "default"), round(10 * A_JOB_USD * 1e9)
    bench.parts.shared.budgets.book.reserve(call, dear, dear, bench.clock.epoch_ms())


def test_what_the_store_did_not_take_is_told_once_when_it_does(tmp_path: Path) -> None:
    config = with_budgets(tmp_path, team=a_budget((0.3, "hold_all")))

    async def scene() -> None:
        async with living(tmp_path, config=config) as bench:
            await asyncio.sleep(5)
            store = bench.parts.shared.store
            await store.write(lambda raw: raw.execute("ALTER TABLE budget_changes RENAME TO elsewhere"))
            reached(bench)
            await bench.parts.actions.look()
            assert (held(bench), bench.recorder.of(BudgetThreshold)) == ([("all", HoldCause.BUDGET)], [])
            await store.write(lambda raw: raw.execute("ALTER TABLE elsewhere RENAME TO budget_changes"))
            await asyncio.sleep(5)
            assert len(bench.recorder.of(BudgetThreshold)) == len(bench.recorder.of(HoldSet)) == 1
            [change] = await bench.parts.desk.budgets.history(9)
            assert change.act is BudgetAct.REACHED

    in_virtual_time(scene)


def test_a_budget_that_is_removed_while_its_threshold_is_written_does_no_harm(tmp_path: Path) -> None:
    config = with_budgets(tmp_path, team=a_budget((0.3, "hold_all"), scope="lane:standard"))

    async def scene() -> None:
        async with living(tmp_path, config=config) as bench:
            await asyncio.sleep(5)
            reached(bench)
            looking = asyncio.create_task(bench.parts.actions.look())
            await asyncio.sleep(0)
            bench.parts.shared.config = replace(config, budgets={})
            bench.parts.engine.reconfigure()
            await looking
            assert [event.scope for event in bench.recorder.of(BudgetThreshold)] == ["lane:standard"]
            await bench.parts.actions.look()
            assert held(bench) == []

    in_virtual_time(scene)


def test_a_pace_is_in_force_from_the_first_moment_of_a_successor(tmp_path: Path) -> None:
    slow = a_budget((0.2, "slow"), limit_usd=20 * A_JOB_USD, period="day")
    config = with_budgets(tmp_path, team=slow)

    async def scene() -> None:
        async with living(tmp_path, config=config) as bench:
            await spend(bench, 6)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        async with parts(config, bench.clock, EventStream(), hand_over=loop.hand_over) as successor:
            assert successor.shared.budgets.paces.slowed(CallScope("standard", "default"), now_s()) is None
            successor.shared.budgets.paces.went(CallScope("standard", "default"), 1, now_s())
            assert (
                successor.shared.budgets.paces.slowed(CallScope("standard", "default"), now_s()) is not None
            )

    in_virtual_time(scene)


def test_a_limit_that_the_configuration_replaced_does_not_come_back(tmp_path: Path) -> None:
    def configured(usd: float) -> Config:
        return with_budgets(tmp_path, team=a_budget(limit_usd=usd))

    async def scene() -> None:
        async with living(tmp_path, config=configured(5.0)) as bench:
            await set_limit(bench, "team", 7.0)
            for usd in (50.0, 5.0):
                await reload(bench, configured(usd))
                [report] = (await bench.parts.desk.budgets.show()).budgets
                assert report.limit_nanousd == usd * 1e9
            history = await bench.parts.desk.budgets.history(9)
            assert [(one.who, one.limit_nanousd) for one in history] == [
                ("claudeflow", 50_000_000_000),
                (ALICE, 7_000_000_000),
            ]
        async with living(tmp_path, config=configured(5.0)) as bench:
            await asyncio.sleep(5)
            [report] = (await bench.parts.desk.budgets.show()).budgets
            assert report.limit_nanousd == 5_000_000_000

    in_virtual_time(scene)


async def reload(bench: VirtualBench, config: Config) -> None:
    """What SIGHUP does."""
    bench.parts.shared.config = config
    bench.parts.engine.reconfigure()
    bench.parts.shared.emit(ConfigReloaded("a test"))
    await asyncio.sleep(1)


def test_a_duty_that_fails_by_a_bug_is_told_and_ends_nothing(tmp_path: Path) -> None:
    async def fail() -> None:
        raise KeyError("team")

    async def scene() -> None:
        async with living(tmp_path) as bench:
            bench.parts.engine.upkeep.also(1.0, fail)
            await asyncio.sleep(10)
            assert len(bench.recorder.of(OwnTrouble)) > 2
            [job_id] = await bench.submit(a_job(1))
            await _ended(bench, job_id)

    in_virtual_time(scene)


def test_a_limit_that_holds_says_that_it_cannot_be_released_but_raised(tmp_path: Path) -> None:
    budget = a_budget((0.1, "hold_lane"), limit_usd=0.01, hard=True, scope="lane:bulk")

    async def scene() -> None:
        async with living(tmp_path, config=with_budgets(tmp_path, team=budget)) as bench:
            desk, bulk = bench.parts.desk, Scope(ScopeKind.LANE, "bulk")
            await spend(bench, 2, lane="bulk")
            await bench.submit(a_job(90, model=OPUS, lane="bulk"))
            assert [hold.is_limit for hold in await everything_held(bench)] == [False]
            await desk.holds.release(bulk, HoldCause.BUDGET, "please", ALICE)
            await asyncio.sleep(5)
            await bench.submit(*(a_job(100 + n, model=OPUS, lane="bulk") for n in range(9)))
            await asyncio.sleep(5)
            [limit] = await everything_held(bench)
            assert (limit.scope, limit.is_limit, "release" in limit.way_out) == (bulk, True, False)
            assert "; only calls that may cost more than the $0.00" in limit.reason
            with pytest.raises(NothingToRelease, match=r"budget team holds lane:bulk.*cannot be released"):
                await desk.holds.release(bulk, HoldCause.BUDGET, "please", ALICE)
            await bench.parts.keeper.hold(bulk, "a test", None, ALICE)
            done = await desk.holds.release(bulk, None, "please", ALICE)
            assert [hold.cause for hold in done.remaining] == [HoldCause.BUDGET]

    in_virtual_time(scene)


async def everything_held(bench: VirtualBench) -> list[Hold]:
    return [row.hold for row in await bench.parts.desk.holds.in_force()]


def test_an_unknown_budget_is_refused_with_the_names_that_there_are(tmp_path: Path) -> None:
    async def scene() -> None:
        async with living(tmp_path, config=with_budgets(tmp_path, team=a_budget())) as bench:
            with pytest.raises(
                BudgetNotFound, match=r'no budget "tem"; budgets are team. Did you mean "team"'
            ):
                await set_limit(bench, "tem", 1.0)
            with pytest.raises(NothingToRelease, match="nothing to release"):
                await bench.parts.desk.budgets.release("team", "why not", ALICE)

    in_virtual_time(scene)
