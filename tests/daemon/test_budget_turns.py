"""Budgets at the turn of a period: a limit that was set until then holds no call longer."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from claudeflow.intake.desks.budgets import NewLimit
from claudeflow.policy.lanes.settings import LaneSettings
from claudeflow.policy.money.settings import BudgetSettings
from tests.support.books import reading
from tests.support.daemons import a_config, some_jobs
from tests.support.virtual import a_virtual_twin, in_virtual_time, living

DAY_MS = 86_400_000
JUST_BEFORE, SECONDS_BEFORE = "2026-11-22T23:59:49.700", 10.3
LIMIT_NANOUSD = 400_000


def at_worst_by_day(store: Path) -> dict[int, int]:
    """The most that the calls opened on each day can have cost."""
    query = (
        "SELECT opened_ms / ?, sum(ifnull(cost_nanousd, reserved_nanousd)) FROM calls GROUP BY 1 ORDER BY 1"
    )
    with reading(store) as raw:
        return dict(raw.execute(query, (DAY_MS,)).fetchall())


@pytest.mark.parametrize("set_before_s", [2.0, 0.2])
def test_no_call_of_the_next_day_goes_under_a_limit_that_was_set_until_the_reset(
    tmp_path: Path, set_before_s: float
) -> None:
    budgets = {"team": BudgetSettings(LIMIT_NANOUSD / 1e9, period="day")}
    config = a_config(tmp_path, budgets=budgets, lanes={"standard": LaneSettings(max_in_flight=64)})

    async def scene() -> None:
        twin = a_virtual_twin(JUST_BEFORE, ttft_s=0.2, tokens_per_s=2_000.0)
        async with living(tmp_path, twin, config=config, epoch=JUST_BEFORE) as bench:
            await bench.submit(*some_jobs(1_500))
            await asyncio.sleep(SECONDS_BEFORE - set_before_s)
            raised = NewLimit("team", 10**9, "more is needed", "alice", until_reset=True)
            await bench.parts.desk.budgets.set(raised)
            await asyncio.sleep(5)
        before, after = at_worst_by_day(tmp_path / "store.db").values()
        assert before > LIMIT_NANOUSD >= after > 0

    in_virtual_time(scene)
