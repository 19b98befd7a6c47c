"""A twin server in a process of its own, for tests and benchmarks.

`python -m claudeflow.twin.child '{"settings": {...}, "port": 0}'` is what `twin_process` starts.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import uvloop

from claudeflow.twin.settings import TwinSettings, settings_from_json, settings_to_json

_STOP_TIMEOUT_S = 10
_ANNOUNCEMENT = "twin listening on "


@dataclass(frozen=True, slots=True)
class TwinProcess:
    """A running server: `http://host:port` or `unix:path`, and its process id."""

    address: str
    pid: int


@contextlib.contextmanager
def twin_process(
    settings: TwinSettings | None = None, *, port: int = 0, uds: Path | None = None
) -> Iterator[TwinProcess]:
    """Run a server while the block lasts. Raises RuntimeError if it does not come up."""
    wish = {"settings": settings_to_json(settings or TwinSettings()), "port": port, "uds": uds and str(uds)}
    command = [sys.executable, "-m", "claudeflow.twin.child", orjson.dumps(wish).decode()]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own interpreter
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line.startswith(_ANNOUNCEMENT):
            raise RuntimeError(f"the twin did not start: {line!r}")
        yield TwinProcess(line.removeprefix(_ANNOUNCEMENT).strip(), process.pid)
    finally:
        process.terminate()
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def run_server(settings: TwinSettings, **where: Any) -> None:
    """Serve in this process until SIGINT or SIGTERM; keyword arguments as for `server.serve`."""
    from claudeflow.twin.server import serve

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(settings, **where))


def _main(argument: str) -> None:
    wish = orjson.loads(argument)
    uds = Path(wish["uds"]) if wish["uds"] else None
    run_server(settings_from_json(wish["settings"]), port=wish["port"], uds=uds)


if __name__ == "__main__":
    _main(sys.argv[1])
