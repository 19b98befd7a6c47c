"""The twin on a loop whose clock jumps: few timers, and everything at its moment."""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
import sys

import pytest

from claudeflow.twin.agenda import Agenda
from claudeflow.twin.engine import Twin
from claudeflow.twin.faults import Fault
from claudeflow.twin.meters import PoolMeters
from claudeflow.twin.settings import TwinSettings
from claudeflow.twin.wire import HttpAnswer
from tests.twin.builders import JumpingLoop, a_call, in_virtual_time, json_of, read_all, text_block

PACED = TwinSettings(ttft_s=2.0, tokens_per_s=10.0, latency_sigma=0.0, epoch_s=1_795_000_000.0)
HUNDRED = [{"role": "user", "content": "[[answer 100 tokens]]"}]
POOL = "opus-5"
STARTS = [0.0, -7.5, 1e6 / 3]


def test_an_agenda_goes_by_time_and_then_by_entry_and_may_grow_while_it_runs() -> None:
    agenda, done = Agenda(), []

    def note(name: str, *more: tuple[float, str]) -> None:
        def action(moment: float) -> None:
            done.append((moment, name))
            for at, other in more:
                agenda.at(at, lambda moment, other=other: done.append((moment, other)))  # type: ignore[misc]

        agenda.at(len(name), action)

    note("bb", (2.5, "grown"), (9.0, "later"))
    note("a")
    note("cc")
    agenda.run(3.0)

    assert done == [(1, "a"), (2, "bb"), (2, "cc"), (2.5, "grown")]


def test_a_plain_call_has_one_timer() -> None:
    async def work(loop: JumpingLoop) -> tuple[int, float]:
        began = loop.time()
        await Twin(PACED).handle(a_call(messages=HUNDRED))
        return loop.timers, loop.time() - began

    timers, seconds = in_virtual_time(work)
    assert timers == 1
    assert seconds == pytest.approx(12.0)


def test_a_stream_has_a_timer_for_its_beginning_and_one_for_each_event_with_tokens() -> None:
    async def work(loop: JumpingLoop) -> tuple[int, float]:
        answer = await Twin(TwinSettings(ttft_s=2.0, tokens_per_s=10.0, tokens_per_event=40)).handle(
            a_call(messages=HUNDRED, stream=True)
        )
        await read_all(answer)
        return loop.timers, loop.time()

    assert in_virtual_time(work)[0] == 1 + 3


def output_meters(*moments: float, stream: bool, settings: TwinSettings = PACED) -> list[float]:
    """What a call of 100 tokens has drawn on the output limit at some moments after its arrival."""

    async def work(loop: JumpingLoop) -> list[float]:
        twin, began = Twin(settings), loop.time()
        twin.start()

        async def call() -> None:
            await read_all(await twin.handle(a_call(messages=HUNDRED, stream=stream)))

        calling, used = asyncio.ensure_future(call()), []
        for moment in moments:
            await asyncio.sleep(moment - (loop.time() - began))
            used.append(twin.meters().pools[POOL].output_tokens.used)
        await calling
        return used

    return in_virtual_time(work)


@pytest.mark.parametrize("stream", [False, True])
def test_output_is_drawn_token_by_token_while_it_is_generated(stream: bool) -> None:
    assert output_meters(1, 2, 5, 7.5, 11, 12.5, 60, stream=stream) == pytest.approx(
        [0, 0, 30, 55, 90, 100, 100]
    )


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_stalls_stops_drawing(stream: bool) -> None:
    stall = TwinSettings(
        ttft_s=2.0,
        tokens_per_s=10.0,
        latency_sigma=0.0,
        tokens_per_event=10,
        faults=(Fault("stall", for_s=100.0),),
    )

    async def work(loop: JumpingLoop) -> list[float]:
        twin = Twin(stall)

        async def call() -> None:
            await read_all(await twin.handle(a_call(messages=HUNDRED, stream=stream)))

        calling, used = asyncio.ensure_future(call()), []
        for _ in range(4):
            await asyncio.sleep(10)
            used.append(twin.meters().pools[POOL].output_tokens.used)
        await asyncio.wait((calling,))
        assert calling.exception() is not None
        return [*used, twin.invoice().lines[0].tokens.output]

    assert in_virtual_time(work) == pytest.approx([50] * 5)


def test_a_prefix_becomes_readable_when_the_writers_response_begins_though_nobody_wakes_then() -> None:
    async def work(loop: JumpingLoop) -> list[int]:
        twin, system = Twin(PACED), [text_block(4_000, ttl="5m")]

        async def call(after_s: float) -> HttpAnswer:
            await asyncio.sleep(after_s)
            return await twin.handle(a_call(messages=HUNDRED, system=system))

        answers = await asyncio.gather(*(call(after_s) for after_s in (0.0, 1.9, 2.1)))
        return [json_of(answer)["usage"]["cache_read_input_tokens"] for answer in answers]

    first, before, after = in_virtual_time(work)
    assert (first, before) == (0, 0)
    assert after > 0


def test_a_client_that_leaves_is_billed_by_the_clock() -> None:
    async def work(loop: JumpingLoop) -> tuple[int, float]:
        twin = Twin(PACED)
        calling = asyncio.ensure_future(twin.handle(a_call(messages=HUNDRED)))
        await asyncio.sleep(5.05)
        calling.cancel()
        await asyncio.sleep(100)
        return twin.invoice().lines[0].tokens.output, twin.meters().pools[POOL].output_tokens.used

    billed, used = in_virtual_time(work)
    assert billed == 30
    assert used == pytest.approx(30)


def transcript(start_s: float) -> tuple[str, dict[str, PoolMeters]]:
    """A digest of every byte of some overlapping calls, and the meters at the end."""
    settings = TwinSettings(
        rpm=40,
        ttft_s=0.7,
        tokens_per_s=80.0,
        ramp_start_rpm=120,
        seed=5,
        epoch_s=1_795_000_000.25,
        faults=(Fault("overloaded_529", share=0.2), Fault("latency_factor", factor=2.0, from_s=5)),
    )

    async def work(loop: JumpingLoop) -> tuple[str, dict[str, PoolMeters]]:
        twin, digest = Twin(settings), hashlib.sha256()

        async def call(number: int) -> bytes:
            await asyncio.sleep(number * 0.4)
            messages = [{"role": "user", "content": f"question {number} about the change"}]
            answer = await twin.handle(a_call(messages=messages, stream=number % 2 == 0))
            return b"%d%r%b" % (answer.status, answer.headers, await read_all(answer))

        for data in await asyncio.gather(*(call(number) for number in range(60))):
            digest.update(data)
        stats = twin.stats()
        assert {200, 429, 529} <= set(stats.calls_by_status)
        return f"{digest.hexdigest()} {stats.burst_max_100ms}", stats.pools

    return in_virtual_time(work, start_s)


def test_the_same_calls_get_the_same_bytes_wherever_the_loops_time_begins() -> None:
    one, *others = (transcript(start_s) for start_s in STARTS)
    for other in others:
        assert other[0] == one[0]
        assert other[1][POOL].requests.used == one[1][POOL].requests.used


def test_the_same_calls_get_the_same_bytes_in_another_process() -> None:
    program = "from tests.twin.test_time import transcript; print(transcript(0.0)[0])"
    said = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    ]
    assert said == [transcript(0.0)[0]] * 2
