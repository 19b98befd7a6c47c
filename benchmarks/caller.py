"""A process that makes bare calls, without claudeflow's daemon: what a job's CPU is compared with.

`python -m benchmarks.caller KIND URL IN_FLIGHT` reads lines `CALLS` or `CALLS PAUSE_S` and answers each
with a line of JSON: CPU and elapsed seconds; and with a pause after each call, the moments when they began.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import anthropic
import httpx2
import orjson
import uvloop

from benchmarks.workload import request_body
from claudeflow.claude.client import ClaudeClient
from claudeflow.claude.settings import ClaudeSettings
from claudeflow.domain.attempt import Succeeded
from claudeflow.domain.prompt import Request

Call = Callable[[], Awaitable[Any]]
CONNECTIONS = 10_000


def sdk_create(url: str) -> Call:
    """What a program does that knows nothing of claudeflow: the SDK as it comes."""
    client = anthropic.AsyncAnthropic(api_key="bench", base_url=url)
    return lambda: client.messages.create(**request_body())


def sdk_create_over_aiohttp(url: str) -> Call:
    """The same with the SDK's own aiohttp transport."""
    http_client = anthropic.DefaultAioHttpClient(
        limits=httpx2.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    )
    client = anthropic.AsyncAnthropic(api_key="bench", base_url=url, http_client=http_client)
    return lambda: client.messages.create(**request_body())


def sdk_stream(url: str) -> Call:
    """The SDK as it comes, reading its own stream events."""
    client = anthropic.AsyncAnthropic(api_key="bench", base_url=url)

    async def call() -> None:
        async with await client.messages.create(**request_body(), stream=True) as events:
            async for _ in events:
                pass

    return call


def ours_plain(url: str) -> Call:
    """The client of the daemon, without the daemon."""
    return _ours(url, streamed=False)


def ours_streamed(url: str) -> Call:
    """The client of the daemon, reading a stream."""
    return _ours(url, streamed=True)


def _ours(url: str, *, streamed: bool) -> Call:
    client = ClaudeClient(ClaudeSettings(base_url=url), "bench")

    async def call() -> None:
        reply = await client.send(Request(request_body(), stream=streamed))
        assert isinstance(reply.outcome, Succeeded), reply.outcome

    return call


KINDS: dict[str, Callable[[str], Call]] = {
    "sdk": sdk_create,
    "sdk-aiohttp": sdk_create_over_aiohttp,
    "sdk-stream": sdk_stream,
    "ours": ours_plain,
    "ours-stream": ours_streamed,
}


async def make_calls(call: Call, total: int, in_flight: int) -> None:
    """Make `total` calls, always `in_flight` of them at once."""
    left = iter(range(total))

    async def one_after_another() -> None:
        for _ in left:
            await call()

    async with asyncio.TaskGroup() as group:
        for _ in range(min(in_flight, total)):
            group.create_task(one_after_another())


async def make_spaced_calls(call: Call, total: int, pause_s: float) -> list[float]:
    """Make one call after another with rest in between; when each began, monotonic."""
    began = []
    for _ in range(total):
        await asyncio.sleep(pause_s)
        began.append(time.monotonic())
        await call()
    return began


async def obey(kind: str, url: str, in_flight: int) -> None:
    """Make as many calls as each line says, until the lines end."""
    call = KINDS[kind](url)
    for line in iter(sys.stdin.readline, ""):
        total, *pause = line.split()
        cpu_s, began_s = time.process_time(), time.perf_counter()
        stamps = []
        if pause:
            stamps = await make_spaced_calls(call, int(total), float(pause[0]))
        else:
            await make_calls(call, int(total), in_flight)
        spent = {"cpu_s": time.process_time() - cpu_s, "elapsed_s": time.perf_counter() - began_s}
        print(orjson.dumps({**spent, "began": stamps}).decode(), flush=True)


if __name__ == "__main__":
    # A program that knows nothing of us would not have uvloop either.
    loop_factory = uvloop.new_event_loop if sys.argv[1].startswith("ours") else None
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(obey(sys.argv[1], sys.argv[2], int(sys.argv[3])))
