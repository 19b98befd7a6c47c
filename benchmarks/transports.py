"""Which client is cheapest, and does its price grow with the calls in flight?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from benchmarks.processes import caller, fake_api
from benchmarks.size import Size, ratio, spread, table

PLAIN = {
    "sdk": "SDK `create`, as it comes (httpx2)",
    "sdk-aiohttp": "SDK `create`, its aiohttp transport",
    "ours": "`ClaudeClient.send`",
}
STREAMED = {
    "sdk-stream": "SDK `create(stream=True)`, its events",
    "ours-stream": "`ClaudeClient.send`, streamed",
}
EVENT_GAP_S = 0.005
LONG_LATENCY_S = 3.0


def run(size: Size) -> Iterator[str]:
    """A table of plain calls, one with long answers, one of streams."""
    total = size.of(tiny=10, quick=1_500, full=3_000)
    levels = size.of(tiny=(4,), quick=(1, 16, 64, 256), full=(1, 16, 64, 256))
    yield "CPU in ms per call. Plain calls, answered at once:"
    yield _compare(PLAIN, levels, [total] * len(levels), size.rounds, 0.0)
    wide = size.of(tiny=(), quick=(1_000,), full=(1_000, 2_500))
    if wide:
        yield f"Plain calls, answered after {LONG_LATENCY_S:g} s (the SDK's pool ends at 1,000 connections):"
        yield _compare(PLAIN, wide, [2 * n for n in wide], size.rounds, LONG_LATENCY_S)
    yield f"Streams of 50 text deltas, {1000 * EVENT_GAP_S:g} ms apart:"
    streams = size.of(tiny=(2,), quick=(64,), full=(16, 64))
    totals = [size.of(tiny=4, quick=400, full=1_000)] * len(streams)
    yield _compare(STREAMED, streams, totals, size.rounds, 0.0)


def _compare(
    kinds: dict[str, str], levels: Sequence[int], totals: Sequence[int], rounds: int, latency_s: float
) -> str:
    """One row per kind of client, one pair of columns per number of calls in flight."""
    columns = [_measure(kinds, n, total, rounds, latency_s) for n, total in zip(levels, totals, strict=True)]
    first = next(iter(kinds))
    rows = [
        [
            name,
            *(text for found in columns for text in (spread(found[kind]), ratio(found[kind], found[first]))),
        ]
        for kind, name in kinds.items()
    ]
    return table(["client", *(text for n in levels for text in (f"{n:,} in flight", "ratio"))], rows)


def _measure(
    kinds: dict[str, str], in_flight: int, total: int, rounds: int, latency_s: float
) -> dict[str, list[float]]:
    with ExitStack() as stack:
        api = stack.enter_context(fake_api(latency_s, EVENT_GAP_S))
        callers = {kind: stack.enter_context(caller(kind, api.url, in_flight)) for kind in kinds}
        for one in callers.values():
            one.make(min(total, max(100, in_flight)))
        found: dict[str, list[float]] = {kind: [] for kind in kinds}
        for _ in range(rounds):
            for kind, one in callers.items():
                found[kind].append(1000 * one.make(total).cpu_s / total)
        return found
