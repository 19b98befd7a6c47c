"""`python -m benchmarks [NAME ...] [--quick]`: without a name, what there is; `all` runs everything."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from dataclasses import replace

from benchmarks.machine import machine_line, other_core
from benchmarks.size import QUICK, TINY, Size

BENCHMARKS = {
    "cost": "CPU of a whole durable job beside the bare SDK call, by calls in flight",
    "transports": "CPU of one call by client, plain and streamed: why the transport is what it is",
    "latency": "from enqueueing to the request on the wire, with nothing else to do",
    "stalls": "the longest moment for which the event loop does nothing else (see --minutes)",
    "startup": "until the socket is open, until work begins, and memory at rest",
    "cli": "whole processes: claudeflow version, submit and status",
    "intake": "jobs accepted a second, by producers, and 10,000 and 100,000 in one request",
    "mailbox": "from a row's commit to the durable job and its answer; the cost of quiet mailboxes",
    "store": "submit, claim and finish in the store alone, by depth of the queue",
    "dispatch": "choosing the next job in memory, among 100 and among 100,000 waiting",
    "batches": "100,000 jobs through Message Batches: memory, speed, and the waits of the others",
    "storm": "a minute of 429s: claudeflow beside 40 stubborn workers and the SDK's own retries",
    "flow": "in virtual time: use of the limits, disturbances, lanes, and the morning of the storm",
    "caching": "in virtual time: the story's month lever by lever, cold prefixes, wrong choices",
    "packs": "in virtual time: 1,600 real texts classified one by one, packed, and with every fault of packs",
    "dropin": "what calls through /v1/messages take, beside direct ones and LiteLLM's proxy",
    "peers": "goodput, 429s and waits beside the SDK, inspect_ai and LiteLLM, on the same API",
}


def main(arguments: list[str] | None = None) -> int:
    """Run what was asked for; the exit code."""
    wish = _parser().parse_args(arguments)
    if not wish.names:
        for name, summary in BENCHMARKS.items():
            print(f"{name:12}{summary}")
        return 0
    names = list(BENCHMARKS) if wish.names == ["all"] else wish.names
    unknown = sorted(set(names) - set(BENCHMARKS))
    if unknown:
        print(f"no benchmark {unknown[0]!r}; there are: all, {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    size = TINY if wish.tiny else QUICK if wish.quick else Size()
    if wish.minutes is not None:
        size = replace(size, minutes=wish.minutes)
    print(f"{machine_line()}\n")
    for name in names:
        run(name, size)
    return 0


def run(name: str, size: Size) -> None:
    """Run one benchmark and print what it finds as it finds it."""
    allowed = os.sched_getaffinity(0)
    module = importlib.import_module(f"benchmarks.{name}")
    print(f"## {name}: {BENCHMARKS[name]}\n", flush=True)
    os.sched_setaffinity(0, {other_core()})
    try:
        for text in module.run(size):
            print(f"{text}\n", flush=True)
    finally:
        os.sched_setaffinity(0, allowed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="What claudeflow costs.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="which; 'all' for all; none lists them")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="fewer and shorter rounds: minutes, not an hour")
    size.add_argument("--tiny", action="store_true", help="only show that everything runs")
    parser.add_argument("--minutes", type=float, help="length of what watches a load (default 10; quick 0.5)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
