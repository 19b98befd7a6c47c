"""The cache planner through the real daemon: one write per prefix and TTL, whatever becomes of the writer."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from claudeflow.domain.cache_events import CacheMissed
from claudeflow.domain.events import CallEnded, Event
from claudeflow.domain.job import JobState
from claudeflow.policy.caching.paths import TTL_S, Ttl
from claudeflow.policy.caching.settings import CacheSettings
from claudeflow.twin.engine import Twin
from claudeflow.twin.faults import Fault
from tests.support.clocks import WoundClock
from tests.support.daemons import a_config, a_job, a_twin, running, until
from tests.support.virtual import VirtualBench, a_virtual_twin, in_virtual_time, living, now_s

OPUS = "claude-opus-5-5"
SYSTEM = "You sort tickets by product, urgency and team. " * 300
LONG_MARK = {"type": "ephemeral", "ttl": "1h"}


def wrote(twin: Twin) -> int:
    return sum(line.tokens.write_5m + line.tokens.write_1h > 0 for line in twin.invoice().lines)


def read(twin: Twin) -> int:
    return sum(line.tokens.read > 0 for line in twin.invoice().lines)


def asking(content: Any, *before: dict[str, Any], **request: Any) -> dict[str, Any]:
    """A job whose conversation ends with this content."""
    job = a_job(1, model=OPUS)
    job["request"]["messages"] = [*before, {"role": "user", "content": content}]
    job["request"] |= request
    return job


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


async def test_two_hundred_jobs_of_one_cold_prefix_write_it_once(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, ttft_s=0.05)
    async with running(tmp_path, twin, clock=clock) as bench:
        records = await bench.run(*[a_job(n, system=SYSTEM, model=OPUS) for n in range(200)])
        assert {record.state for record in records} == {JobState.SUCCEEDED}
        assert max(line.tokens.write_5m for line in twin.invoice().lines) >= 5_000
        assert (wrote(twin), read(twin)) == (1, 199)
        assert await bench.book_mistakes() == []


@pytest.mark.parametrize(
    ("kind", "reads"),
    [("conn_reset", 199), ("error_500", 199), ("overloaded_529", 199), ("reset_mid_stream", 200)],
)
async def test_when_the_writer_is_cut_off_the_prefix_is_still_written_once(
    tmp_path: Path, kind: str, reads: int
) -> None:
    clock = WoundClock()
    twin = a_twin(clock, ttft_s=0.02, faults=(Fault(kind, calls=(1, 1)),))
    async with running(tmp_path, twin, clock=clock) as bench:
        records = await bench.run(*[a_job(n, system=SYSTEM, model=OPUS) for n in range(200)])
        assert {record.state for record in records} == {JobState.SUCCEEDED}
        assert (wrote(twin), read(twin)) == (1, reads)
        [row] = bench.parts.shared.prefixes.rows(clock.epoch())
        assert (row.writes, row.reads) == (1, reads)


async def test_when_the_writer_is_stopped_before_its_response_begins_there_are_two_writes(
    tmp_path: Path,
) -> None:
    clock = WoundClock()
    twin = a_twin(clock, ttft_s=0.2)
    async with running(tmp_path, twin, clock=clock) as bench:
        leader, *others = await bench.submit(*[a_job(n, system=SYSTEM, model=OPUS) for n in range(200)])
        await until(lambda: twin.stats().in_flight_max == 1)
        await bench.parts.desk.cancel(leader)
        records = await bench.finished(others)
        assert {record.state for record in records} == {JobState.SUCCEEDED}
        assert (wrote(twin), read(twin)) == (2, 198)


async def test_a_successor_of_a_dead_daemon_does_not_write_what_is_warm(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, ttft_s=0.02)
    async with running(tmp_path, twin, clock=clock) as bench:
        await bench.run(*[a_job(n, system=SYSTEM, model=OPUS) for n in range(20)])
        await bench.parts.engine.upkeep.save_memory()
        bench.parts.engine.upkeep._memory = dict  # kill -9: nothing more is saved
    async with running(tmp_path, twin, clock=clock) as bench:
        [row] = bench.parts.shared.prefixes.rows(clock.epoch())
        assert (row.writes, row.warm_until_ms is not None) == (1, True)
        await bench.run(*[a_job(n, system=SYSTEM, model=OPUS) for n in range(20, 40)])
        assert (wrote(twin), read(twin)) == (1, 39)


async def test_documents_before_the_question_are_written_once_for_all_who_ask(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, ttft_s=0.02)
    document = text("The contract says. " * 600)
    async with running(tmp_path, twin, clock=clock) as bench:
        await bench.run(*[asking([document, text(f"Clause {n}?")], system=SYSTEM) for n in range(30)])
        assert (wrote(twin), read(twin)) == (1, 29)
        system, whole = sorted(row.tokens for row in bench.parts.shared.prefixes.rows(clock.epoch()))
        assert whole > system == 0


async def test_those_who_share_only_the_system_prompt_are_let_go_by_whoever_writes_it(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock, ttft_s=0.02)
    documents = [text(f"Contract {n} says. " * 600) for n in range(3)]
    async with running(tmp_path, twin, clock=clock) as bench:
        jobs = [asking([documents[n % 3], text(f"Clause {n}?")], system=SYSTEM) for n in range(30)]
        await bench.run(*jobs)
        assert wrote(twin) == 3
        assert read(twin) == 29


async def test_a_conversation_reads_what_the_turn_before_wrote(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock)
    history: list[dict[str, Any]] = []
    async with running(tmp_path, twin, clock=clock) as bench:
        for turn in range(6):
            question = f"Turn {turn}. " + "What about this part? " * 200
            await bench.run(asking(question, *history, system=SYSTEM))
            history += [
                {"role": "user", "content": question},
                {"role": "assistant", "content": [text("It is so. " * 10)] * 25},
            ]
        lines = twin.invoice().lines
        for before, line in pairwise(lines[1:]):
            assert line.tokens.read == before.tokens.read + before.tokens.write_5m
            assert line.tokens.input < 50


async def test_markers_of_the_callers_are_sent_as_they_are_and_their_prefix_is_written_once(
    tmp_path: Path,
) -> None:
    clock = WoundClock()
    twin = a_twin(clock, ttft_s=0.05)
    system = [text(SYSTEM) | {"cache_control": LONG_MARK}]
    async with running(tmp_path, twin, clock=clock) as bench:
        await bench.run(*[asking(f"Ticket {n}", system=system) for n in range(30)])
        assert (wrote(twin), read(twin)) == (1, 29)
        assert sum(line.tokens.write_1h > 0 for line in twin.invoice().lines) == 1
        clock.advance(3_000)
        await bench.run(*[asking(f"Ticket {n}", system=system) for n in range(30, 60)])
        assert (wrote(twin), read(twin)) == (1, 59)


async def test_a_prefix_that_the_api_lost_is_told_as_a_miss(tmp_path: Path) -> None:
    clock = WoundClock()
    twin = a_twin(clock)
    async with running(tmp_path, twin, clock=clock) as bench:
        await bench.run(*[a_job(n, system=SYSTEM, model=OPUS) for n in range(5)])
        twin._organization._cache._entries.clear()
        await bench.run(a_job(5, system=SYSTEM, model=OPUS))
        [miss] = bench.recorder.of(CacheMissed)
        assert miss.expected_tokens == twin.invoice().lines[0].tokens.write_5m
        assert miss.previous_message_id is not None
        [row] = bench.parts.shared.prefixes.rows(clock.epoch())
        assert (row.writes, row.unexpected_misses) == (2, 1)


@pytest.mark.parametrize("change", [{"enabled": False}, {"cold_prefix": False}])
async def test_each_part_can_be_switched_off(tmp_path: Path, change: dict[str, Any]) -> None:
    clock = WoundClock()
    twin = a_twin(clock, ttft_s=0.1)
    config = a_config(tmp_path, cache=CacheSettings(**change))
    async with running(tmp_path, twin, clock=clock, config=config) as bench:
        await bench.run(*[a_job(n, system=SYSTEM, model=OPUS) for n in range(20)])
        assert (wrote(twin) == 0) is ("enabled" in change)
        assert (wrote(twin) > 1) is ("cold_prefix" in change)


EVERY_S = (240, 280, 310, 450, 600, 900, 1_500, 1_800, 2_700, 3_500, 7_200)
DAY_S = 8 * 3_600


class WriteTimes:
    """When each workflow's prefix was asked for and written, from its calls."""

    def __init__(self) -> None:
        self.calls: defaultdict[str, list[tuple[float, Ttl | None]]] = defaultdict(list)

    def apply(self, event: Event) -> None:
        if isinstance(event, CallEnded):
            usage = event.usage
            five: Ttl | None = "5m" if usage.cache_write_5m_tokens else None
            ttl = "1h" if usage.cache_write_1h_tokens else five
            self.calls[event.workflow].append((now_s() - event.duration_s, ttl))

    def written_while_warm(self) -> list[str]:
        """Writes of what the cache still held."""
        found = []
        for workflow, calls in self.calls.items():
            warm_until, lives_s = -1.0, 0.0
            for at_s, ttl in sorted(calls, key=lambda call: call[0]):
                if ttl is not None and at_s < warm_until:
                    found.append(f"{workflow} at {at_s}")
                lives_s = lives_s if ttl is None else TTL_S[ttl]
                if ttl is not None or at_s < warm_until:
                    warm_until = at_s + lives_s
        return found


def test_eleven_workflows_write_each_prefix_once_in_each_ttl_over_a_day(tmp_path: Path) -> None:
    times = WriteTimes()

    async def scene() -> None:
        twin = a_virtual_twin(ttft_s=0.5)
        async with living(tmp_path, twin) as bench:
            bench.parts.events.listen(times.apply)
            await asyncio.gather(*[_day_of(bench, number) for number in range(len(EVERY_S))])
            assert bench.recorder.of(CacheMissed) == []
            rows = bench.parts.shared.prefixes.rows(bench.clock.epoch_ms() / 1000)
            assert wrote(twin) == sum(row.writes for row in rows)
            assert len(rows) == len(EVERY_S)
            assert max(row.writes for row in rows if int(row.workflow) < 10) <= 2

    in_virtual_time(scene)
    assert times.written_while_warm() == []


async def _day_of(bench: VirtualBench, number: int) -> None:
    """Three jobs at once, again and again through a working day."""
    for at_s in range(0, DAY_S, EVERY_S[number]):
        system = f"Workflow {number}. {SYSTEM}"
        jobs = [a_job(at_s + n, system=system, model=OPUS, workflow=str(number)) for n in range(3)]
        await bench.submit(*jobs)
        await asyncio.sleep(EVERY_S[number])
