"""What does it cost to call the API through the drop-in endpoint, beside LiteLLM's proxy?

The same calls, made directly and through each door in turn: at a steady rate, and as many as go through.
Behind claudeflow's door every call is stored, scheduled and booked; behind the proxy, which runs without
a database, none is. `scripts/install-clients DIR litellm-proxy` installs the proxy, and
CLAUDEFLOW_CLIENTS=DIR says where it is; without it there are fewer rows.
"""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.doors import Door, Wait, call_at_a_rate, call_without_rest
from benchmarks.litellm_proxy import LEFT_OUT, PROXY, installed, proxy
from benchmarks.machine import cpu_s, rss_mb
from benchmarks.processes import daemon, fake_api, free_port, unlimited
from benchmarks.size import Size, number, percentile, ratio, spread, table

RATE_PER_S = 20.0
CONNECTIONS = 32
DIRECT = "directly"


@dataclass(frozen=True, slots=True)
class Seen:
    """What one door did in one round."""

    waits: list[Wait]
    cpu_ms: float
    flat_out_per_s: float
    flat_out_cpu_ms: float


def run(size: Size) -> Iterator[str]:
    """Two tables of waits, plain and streamed, and one of rates."""
    with ExitStack() as stack:
        doors = list(_doors(stack))
        if all(door.name != PROXY for door in doors):
            yield LEFT_OUT
        for stream in (False, True):
            seen = _measure(doors, size, stream=stream)
            yield _title(size, stream=stream)
            yield _waits_table(seen, stream=stream)
            yield _rates_table(seen, {door.name: door.pid for door in doors})


def _doors(stack: ExitStack) -> Iterator[Door]:
    api = stack.enter_context(fake_api())
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    yield Door(DIRECT, 0, port=int(api.url.rpartition(":")[2]))
    port = free_port()
    settings = f'{unlimited(CONNECTIONS * 2)}[http]\ntcp = "127.0.0.1:{port}"\n'
    running = stack.enter_context(daemon(folder, api.url, settings))
    yield Door("through claudeflow, socket", running.pid, socket=running.socket)
    token = running.ask("POST", "/v1/tokens", b'{"name": "bench"}')["token"]
    yield Door("through claudeflow, TCP", running.pid, port=port, headers={"x-api-key": token})
    program = installed()
    if program is not None:
        yield stack.enter_context(proxy(program, folder, api.url))


def _measure(doors: list[Door], size: Size, *, stream: bool) -> dict[str, list[Seen]]:
    steady, flat_out = size.of(tiny=3, quick=200, full=400), size.of(tiny=3, quick=500, full=1_500)
    for door in doors:
        call_without_rest(door, min(flat_out, 50), min(CONNECTIONS, flat_out), stream=stream)
    seen: dict[str, list[Seen]] = defaultdict(list)
    for _ in range(size.rounds):
        for door in doors:
            seen[door.name].append(_measure_one(door, steady, flat_out, stream=stream))
    return seen


def _measure_one(door: Door, steady: int, flat_out: int, *, stream: bool) -> Seen:
    used_s = _cpu_s(door)
    waits = call_at_a_rate(door, steady, RATE_PER_S, stream=stream)
    steady_s = _cpu_s(door) - used_s
    began_s = time.perf_counter()
    call_without_rest(door, flat_out, CONNECTIONS, stream=stream)
    took_s = time.perf_counter() - began_s
    flat_s = _cpu_s(door) - used_s - steady_s
    return Seen(waits, 1000 * steady_s / steady, flat_out / took_s, 1000 * flat_s / flat_out)


def _cpu_s(door: Door) -> float:
    return cpu_s(door.pid) if door.pid else 0.0


def _title(size: Size, *, stream: bool) -> str:
    kind = "streamed, 50 events in one write" if stream else "plain"
    return f"### {kind}; medians of {size.rounds} rounds in turn; nothing answers slower than it can"


def _waits_table(seen: dict[str, list[Seen]], *, stream: bool) -> str:
    headings = [f"{RATE_PER_S:g} calls/s, ms", "p50", "p95", "added, p50", "added, p95"]
    headings += ["first event, p50", "CPU a call"] if stream else ["CPU a call"]
    direct = seen[DIRECT]
    return table(headings, [_waits_row(name, seen[name], direct, stream=stream) for name in seen])


def _waits_row(name: str, rounds: list[Seen], direct: list[Seen], *, stream: bool) -> list[str]:
    firsts = [1000 * percentile([wait.first_s for wait in one.waits], 0.5) for one in rounds]
    is_direct = rounds is direct
    return [
        name,
        *(spread(_whole_ms(rounds, share)) for share in (0.5, 0.95)),
        *("" if is_direct else _added(rounds, direct, share) for share in (0.5, 0.95)),
        *([spread(firsts)] if stream else []),
        "" if is_direct else spread([one.cpu_ms for one in rounds]),
    ]


def _added(rounds: list[Seen], direct: list[Seen], share: float) -> str:
    """How much longer than directly in the same round, in milliseconds."""
    pairs = zip(_whole_ms(rounds, share), _whole_ms(direct, share), strict=True)
    return spread([there - here for there, here in pairs])


def _whole_ms(rounds: list[Seen], share: float) -> list[float]:
    return [1000 * percentile([wait.whole_s for wait in one.waits], share) for one in rounds]


def _rates_table(seen: dict[str, list[Seen]], pids: dict[str, int]) -> str:
    headings = (f"{CONNECTIONS} calls at once", "calls/s", "to the proxy's", "CPU ms a call", "RSS, MB")
    theirs = [one.flat_out_per_s for one in seen.get(PROXY, [])]
    return table(headings, [_rates_row(name, seen[name], theirs, pids[name]) for name in seen])


def _rates_row(name: str, rounds: list[Seen], theirs: list[float], pid: int) -> list[str]:
    rates = [one.flat_out_per_s for one in rounds]
    return [
        name,
        spread(rates, 0),
        ratio(rates, theirs) if theirs and pid else "",
        spread([one.flat_out_cpu_ms for one in rounds]) if pid else "",
        number(rss_mb(pid), 0) if pid else "",
    ]
