"""How long does a job take from its producer to the wire, when nothing else is to be done?

Between the two lie an insert and a claim, each on the disk before the next step (`synchronous=FULL`).
Beside it a bare SDK call: from its beginning to the wire.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import uvloop

from benchmarks.load import Producer, prepared
from benchmarks.processes import FakeApi, caller, daemon, fake_api, unlimited
from benchmarks.size import Size, number, percentile, table
from benchmarks.workload import job

PAUSE_S = 0.05


def run(size: Size) -> Iterator[str]:
    """One row for the daemon, one for the bare call."""
    count = size.of(tiny=5, quick=150, full=400)
    with ExitStack() as stack:
        api = stack.enter_context(fake_api())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        running = stack.enter_context(daemon(folder, api.url, unlimited(64)))
        bare = stack.enter_context(caller("sdk", api.url, 1))
        acks: list[float] = []

        def submit(total: int) -> list[float]:
            return _submit_spaced(running.socket, total, acks)

        kinds: dict[str, Callable[[int], list[float]]] = {
            "bare SDK call": lambda total: bare.make_spaced(total, PAUSE_S),
            "job through the socket": submit,
        }
        for begin in kinds.values():
            begin(min(count, 20))
        acks.clear()
        waits: dict[str, list[float]] = {name: [] for name in kinds}
        for _ in range(size.rounds):
            for name, begin in kinds.items():
                waits[name] += _to_the_wire(api, begin, count)
    rows = [_row(f"{name} to the wire", found) for name, found in waits.items()]
    yield f"{count} each, {size.rounds} times in turn, {1000 * PAUSE_S:g} ms of rest before each; ms."
    yield table(("from", "p50", "p99", "most"), [*rows, _row("job submitted to acknowledged", acks)])


def _to_the_wire(api: FakeApi, begin: Callable[[int], list[float]], count: int) -> list[float]:
    """Milliseconds from each beginning to the arrival of its request."""
    began = begin(count)
    time.sleep(2 * PAUSE_S)
    arrived = api.stamps()[-count:]
    return [1000 * (there - here) for here, there in zip(began, arrived, strict=True)]


def _submit_spaced(path: Path, count: int, acks: list[float]) -> list[float]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_submit_one_by_one(path, count, acks))


async def _submit_one_by_one(path: Path, count: int, acks: list[float]) -> list[float]:
    producer, request, began = Producer(path), prepared(job()), []
    await producer.open()
    for _ in range(count):
        await asyncio.sleep(PAUSE_S)
        began.append(time.monotonic())
        await producer.post(request)
        acks.append(1000 * (time.monotonic() - began[-1]))
    await producer.close()
    return began


def _row(name: str, waits: list[float]) -> list[str]:
    return [
        name,
        number(percentile(waits, 0.5), 2),
        number(percentile(waits, 0.99), 2),
        number(max(waits), 2),
    ]
