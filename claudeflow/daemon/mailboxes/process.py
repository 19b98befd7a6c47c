"""A porter as a process: started with its end of a socket pair and the mark that it shares with us."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

import claudeflow
from claudeflow.intake.mailbox.mark import Mark

MODULE = "claudeflow.intake.mailbox.porter"
ENDING_S = 10.0

_ENVIRON = ("PATH", "LANG", "LC_ALL", "TZ", "VIRTUAL_ENV", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE")
"""What a porter gets to know. The API key is not among it."""


@dataclass(frozen=True, slots=True)
class PorterProcess:
    """One porter, from its start to its death."""

    process: asyncio.subprocess.Process
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    mark: Mark

    def kill(self) -> None:
        """End it at once."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()

    async def ended(self) -> str:
        """Let it go (it ends when nobody listens), and how it ended. One that does not is killed."""
        self.writer.close()
        try:
            async with asyncio.timeout(ENDING_S):
                code = await self.process.wait()
        except TimeoutError:
            self.kill()
            code = await self.process.wait()
        return _in_words(code)

    def suspect(self) -> str:
        """The mailbox that it works on, or worked on when it died; empty for none."""
        return self.mark.get()


async def start_porter() -> PorterProcess:
    """A new porter. Raises OSError."""
    ours, theirs = socket.socketpair()
    mark, number = Mark.made()
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            MODULE,
            str(theirs.fileno()),
            str(number),
            pass_fds=(theirs.fileno(), number),
            stdin=asyncio.subprocess.DEVNULL,
            env=_environ(),
            cwd="/",
        )
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
        os.close(number)
    reader, writer = await asyncio.open_connection(sock=ours)
    return PorterProcess(process, reader, writer, mark)


def _environ() -> dict[str, str]:
    own = str(Path(claudeflow.__file__).parents[1])
    paths = [own, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    known = {name: os.environ[name] for name in _ENVIRON if name in os.environ}
    return {**known, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}


def _in_words(code: int) -> str:
    if code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit code {code}"
