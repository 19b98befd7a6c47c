"""Packs whose jobs come back do not pay: these go alone by themselves, and some day they are packed again."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import httpx2
import pytest

from claudeflow.daemon.packs.delivery import Delivery, MemberShare
from claudeflow.daemon.packs.endings import Ended
from claudeflow.daemon.packs.packs import Packs
from claudeflow.daemon.packs.shapes import MOST_SHAPES
from claudeflow.domain.attempt import Interrupted, Outcome, Rejected, Succeeded
from claudeflow.domain.events import CallEnded
from claudeflow.domain.job import JobError, JobState
from claudeflow.domain.pack_events import PackingJudged
from claudeflow.domain.usage import Usage
from claudeflow.twin.faults import Fault
from tests.support.clocks import WoundClock
from tests.support.daemons import MODEL, Bench, a_twin, opened, running
from tests.support.packing import TICKETS, a_packing_config, packs_of, tickets
from tests.support.virtual import VirtualBench, a_virtual_twin, in_virtual_time, living, refused


def no_packs(request: httpx2.Request) -> httpx2.Response | None:
    """Every pack is refused as a whole."""
    is_packed = b"<<item " in request.content
    return refused(400, "invalid_request_error", "no packs here") if is_packed else None


async def rounds(bench: VirtualBench, count: int, **envelope: str) -> list[int]:
    """So many times ten jobs, a minute apart: how many packs went for each ten."""
    found = []
    for _ in range(count):
        before = sum(call.kind == "pack" for call in bench.recorder.of(CallEnded))
        ids = await bench.submit(*tickets(10, **envelope))
        await asyncio.sleep(60)
        assert await bench.states(ids) == {JobState.SUCCEEDED}
        found.append(sum(call.kind == "pack" for call in bench.recorder.of(CallEnded)) - before)
    return found


def test_packs_that_are_refused_again_and_again_are_not_made_until_some_time_has_passed(
    tmp_path: Path,
) -> None:
    async def scene() -> None:
        config = a_packing_config(tmp_path)
        async with living(tmp_path, a_virtual_twin(ttft_s=0.1), config=config) as bench:
            bench.door.refuse = no_packs
            tried = await rounds(bench, 20)
            assert tried[0] == 1
            assert tried[-5:].count(1) <= 2, "the one or other trial, and no more"
            judged = bench.recorder.of(PackingJudged)
            assert [event.pays for event in judged[:2]] == [True, False]
            assert re.search(r"with [2-9]\d\.\d% asked again: not packed", judged[1].why)
            assert await rounds(bench, 1, workflow="another") == [1]
            bench.door.refuse = lambda _: None
            await asyncio.sleep(24 * 3_600)
            assert await rounds(bench, 5) == [1] * 5, "what the API takes by now is packed again"

    in_virtual_time(scene)


def packs_in(bench: Bench) -> Packs:
    """What the daemon has learned of packs."""
    assert bench.parts.shared.packs is not None
    return bench.parts.shared.packs


def learned(bench: Bench) -> list[tuple[float, float]]:
    """Share and weight of each kind of packs of which something was seen."""
    return [(share, weight) for _, share, weight, _ in packs_in(bench).memory()["returns"]]


@pytest.mark.parametrize(
    ("fault", "least", "most"),
    [
        (Fault("refusal", calls=(1, 1)), 0.2, 0.3),
        (Fault("pack_prose", calls=(1, 1)), 0.2, 0.3),
        (Fault("pack_drop", item_share=1.0), 0.2, 0.3),
        (Fault("pack_crosslabel", item_share=0.3), 0.02, 0.19),
        (Fault("pack_invalid", item_share=0.3), 0.02, 0.19),
        (Fault("pack_reorder", item_share=1.0), 0.0, 0.005),
    ],
)
async def test_whatever_sends_jobs_back_is_learned_from(
    tmp_path: Path, fault: Fault, least: float, most: float
) -> None:
    twin = a_twin(WoundClock(), faults=(fault,))
    async with running(tmp_path, twin, config=a_packing_config(tmp_path)) as bench:
        await bench.run(*tickets(10))
        assert len(packs_of(bench)) == 1
        [(share, _)] = learned(bench)
        assert least < share < most


@pytest.mark.parametrize(
    ("outcome", "returned"),
    [
        (Succeeded("end_turn"), 2),
        (Rejected(JobError("refusal", "no")), 2),
        (Interrupted(JobError("interrupted", "the call was stopped")), None),
    ],
)
def test_without_checked_answers_all_jobs_of_a_pack_are_asked_alone_unless_it_was_stopped(
    outcome: Outcome, returned: int | None
) -> None:
    shares = [MemberShare(Usage(), None, 0)] * 2
    assert Ended(outcome, Delivery(shares, [None, None]), 1.0).returned == returned


async def test_a_pack_that_is_tried_again_by_all_says_nothing_of_returns(tmp_path: Path) -> None:
    twin = a_twin(WoundClock(), faults=(Fault("overloaded_529", calls=(1, 1)),))
    async with running(tmp_path, twin, config=a_packing_config(tmp_path)) as bench:
        await bench.run(*tickets(10))
        assert len(packs_of(bench)) == 2
        [(share, weight)] = learned(bench)
        assert share < 0.005
        assert weight < 5, "one pack counts and not two"


async def test_what_came_back_is_remembered_over_a_restart(tmp_path: Path) -> None:
    twin = a_twin(WoundClock(), faults=(Fault("refusal", calls=(1, 1)),))
    async with running(tmp_path, twin, config=a_packing_config(tmp_path)) as bench:
        await bench.run(*tickets(10))
        before = packs_in(bench).memory()
    async with opened(tmp_path / "later", config=a_packing_config(tmp_path)) as later:
        packs_in(later).recall(before)
        assert packs_in(later).memory()["returns"] == before["returns"] != []


async def test_earlier_versions_of_prompts_that_jobs_name_are_not_all_kept(tmp_path: Path) -> None:
    async with opened(tmp_path, config=a_packing_config(tmp_path)) as bench:
        shapes = packs_in(bench).shapes

        def is_wanted(number: int) -> bool:
            assert shapes.of(f"{TICKETS}@v{number}", MODEL) is None
            return shapes.needed.is_set()

        for number in range(MOST_SHAPES + 1):
            assert is_wanted(number)
            await shapes.load()
        assert not is_wanted(1)
        assert not is_wanted(MOST_SHAPES)
        assert is_wanted(0), "the oldest was forgotten, and is read again when it is needed"


async def test_only_so_many_earlier_versions_are_asked_for_at_once_and_the_rest_later(tmp_path: Path) -> None:
    async with opened(tmp_path, config=a_packing_config(tmp_path)) as bench:
        shapes = packs_in(bench).shapes
        for number in range(MOST_SHAPES + 1):
            shapes.of(f"{TICKETS}@v{number}", MODEL)
        await shapes.load()
        shapes.of(f"{TICKETS}@v{MOST_SHAPES - 1}", MODEL)
        assert not shapes.needed.is_set()
        shapes.of(f"{TICKETS}@v{MOST_SHAPES}", MODEL)
        assert shapes.needed.is_set()
