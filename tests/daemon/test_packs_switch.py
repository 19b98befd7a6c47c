"""`[packs] enabled` decides whether jobs share calls, whatever their prompts say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from claudeflow.domain.job import JobState
from claudeflow.policy.packing.settings import PackSettings
from tests.support.daemons import running
from tests.support.packing import a_packing_config, packs_of, singles_of, tickets

OFF = PackSettings(enabled=False)


async def test_without_packs_each_job_has_a_call_of_its_own(tmp_path: Path) -> None:
    config = replace(a_packing_config(tmp_path), packs=OFF)
    async with running(tmp_path, config=config) as bench:
        records = await bench.run(*tickets(30))
        assert {record.state for record in records} == {JobState.SUCCEEDED}
        assert packs_of(bench) == []
        assert len(singles_of(bench)) == 30


async def test_a_reload_takes_the_switch_up_both_ways(tmp_path: Path) -> None:
    config = a_packing_config(tmp_path)
    async with running(tmp_path, config=config) as bench:
        counts = []
        for packs in (OFF, PackSettings(), OFF):
            bench.parts.shared.config = replace(config, packs=packs)
            bench.parts.engine.reconfigure()
            before = len(packs_of(bench))
            await bench.run(*tickets(30))
            counts.append(len(packs_of(bench)) - before)
        assert [bool(count) for count in counts] == [False, True, False]
