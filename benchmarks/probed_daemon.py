"""The daemon with a heart: its event loop notes whenever it could not beat in time.

`python -m benchmarks.probed_daemon CONFIG` is `claudeflow run` but for one timer a millisecond. Beats
that came late are lines of JSON in `stalls.jsonl` beside the configuration: when (monotonic), how
late, and how much CPU the loop's thread used meanwhile, to tell our own work from a busy machine.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import TextIO

import orjson
import uvloop

from claudeflow.daemon.lifecycle import run_daemon

BEAT_S = 0.001
LATE_S = 0.002

plain_loop = uvloop.new_event_loop


class Heart:
    """One timer that starts itself again."""

    def __init__(self, loop: asyncio.AbstractEventLoop, notes: TextIO) -> None:
        self._loop = loop
        self._notes = notes
        self._rest()

    def _rest(self) -> None:
        self._cpu_s = time.thread_time()
        self._due = time.monotonic() + BEAT_S
        self._loop.call_later(BEAT_S, self._beat)

    def _beat(self) -> None:
        now = time.monotonic()
        if now - self._due > LATE_S:
            line = {"at": now, "late_s": now - self._due, "cpu_s": time.thread_time() - self._cpu_s}
            self._notes.write(orjson.dumps(line).decode() + "\n")
        self._rest()


def main() -> None:
    """Run the daemon on a loop with a heart."""
    config = Path(sys.argv[1])
    with (config.parent / "stalls.jsonl").open("w", encoding="utf-8", buffering=1 << 20) as notes:

        def beating_loop() -> uvloop.Loop:
            loop = plain_loop()
            loop.call_soon(Heart, loop, notes)
            return loop

        # The daemon makes its loop by this name; nothing of its own code is changed.
        uvloop.new_event_loop = beating_loop
        run_daemon(config)


if __name__ == "__main__":
    main()
