"""The porter: the one process that opens mailbox files. The daemon asks it by a socket.

Apart from the daemon, because a producer may do to a process that maps its file what no program can
catch: whoever cuts a -shm file short kills all who have it mapped (SIGBUS). The daemon then begins a new
porter, knows by the shared mark which mailbox it was, and leaves that one alone for a while.

One thread: requests in their order, and between them a look at `PRAGMA data_version` of open mailboxes.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from claudeflow.intake.mailbox.file import MailboxFile
from claudeflow.intake.mailbox.frames import Frames, pack
from claudeflow.intake.mailbox.mark import Mark
from claudeflow.intake.mailbox.place import Place
from claudeflow.intake.mailbox.rounds import Rounds
from claudeflow.intake.mailbox.trouble import MailboxTrouble

IDLE_TICK_S = 0.05
BUSY_TICK_S = 0.005
BUSY_FOR_S = 2.0
"""So long after something has happened it looks more often."""
MOST_MEMORY_BYTES = 4 * 1024**3


class Porter:
    """Serves one connection until its other end closes."""

    def __init__(self, connection: socket.socket, mark: Mark) -> None:
        self._connection = connection
        self._mark = mark
        self._frames = Frames()
        self._open: dict[str, MailboxFile] = {}
        self._rounds = Rounds()
        self._busy_until = 0.0

    def run(self) -> None:
        """Until the daemon is gone."""
        poll = select.poll()
        poll.register(self._connection, select.POLLIN)
        due = time.monotonic()
        while True:
            wait_s = max(0.0, due - time.monotonic()) if self._open else 3600.0
            if poll.poll(wait_s * 1000):
                received = self._connection.recv(1 << 20)
                if not received:
                    return
                for request in self._frames.feed(received):
                    self._send(self._answer(request))
            now = time.monotonic()
            if now >= due:
                self._look(now)
                due = now + (BUSY_TICK_S if now < self._busy_until else IDLE_TICK_S)

    def _look(self, now: float) -> None:
        """Tell which of some mailboxes have changed, or cannot be asked any more."""
        changed = []
        for name in self._rounds.next(now):
            self._mark.set(name)
            if self._rounds.has_changed(name, self._version_of(name), now):
                changed.append(name)
        self._mark.set("")
        if changed:
            self._busy_until = now + BUSY_FOR_S
            self._send({"changed": changed})

    def _version_of(self, name: str) -> int:
        """-1 when it cannot be asked: the daemon then finds out why."""
        try:
            if self._rounds.is_time_for_identity(name):
                self._open[name].check_identity()
            return self._open[name].data_version()
        except MailboxTrouble:
            return -1

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        name, number = request["name"], request["n"]
        self._mark.set(name)
        try:
            value = _OPERATIONS[request["op"]](self, name, request["args"])
        except MailboxTrouble as trouble:
            return {"n": number, "trouble": [trouble.code, trouble.problem, trouble.remedy]}
        except MemoryError:
            return {
                "n": number,
                "trouble": ["slow", "it needs more memory than a mailbox may", "make it smaller"],
            }
        except Exception as problem:  # noqa: BLE001 - one mailbox must not end the porter for all
            what = f"the porter failed: {type(problem).__name__}"
            return {"n": number, "trouble": ["bug", what, "report it; the other mailboxes go on"]}
        else:
            return {"n": number, "value": value}
        finally:
            self._mark.set("")

    def _open_it(self, name: str, args: Mapping[str, Any]) -> None:
        self._close_it(name, {})
        place = Place(Path(args["folder"]), name)
        self._open[name] = MailboxFile(place, args["uuid"], args["max_row_bytes"])
        self._rounds.add(name, self._open[name].data_version(), time.monotonic())

    def _close_it(self, name: str, _: Mapping[str, Any]) -> None:
        found = self._open.pop(name, None)
        if found is not None:
            self._rounds.remove(name)
            found.close()

    def _take(self, name: str, args: Mapping[str, Any]) -> dict[str, Any]:
        return asdict(self._file(name).take(**args))

    def _settle(self, name: str, args: Mapping[str, Any]) -> None:
        self._file(name).settle(**args)
        self._rounds.touch(name, time.monotonic())
        self._busy_until = time.monotonic() + BUSY_FOR_S

    def _deliver(self, name: str, args: Mapping[str, Any]) -> None:
        self._file(name).deliver(**args)

    def _clean(self, name: str, args: Mapping[str, Any]) -> int:
        self._file(name).shorten_log()
        return self._file(name).clean(**args)

    def _waiting(self, name: str, _: Mapping[str, Any]) -> int:
        return self._file(name).waiting()

    def _file(self, name: str) -> MailboxFile:
        if name not in self._open:
            raise MailboxTrouble("closed", "it is not open", "nothing: it is opened anew")
        return self._open[name]

    def _send(self, message: Mapping[str, Any]) -> None:
        self._connection.sendall(pack(message))


_OPERATIONS: Mapping[str, Callable[[Porter, str, Mapping[str, Any]], Any]] = {
    "open": Porter._open_it,
    "close": Porter._close_it,
    "take": Porter._take,
    "settle": Porter._settle,
    "deliver": Porter._deliver,
    "clean": Porter._clean,
    "waiting": Porter._waiting,
}


def main() -> None:
    """`python -m claudeflow.intake.mailbox.porter SOCKET MARK`: the numbers of two inherited files."""
    number, mark = int(sys.argv[1]), int(sys.argv[2])
    os.umask(0o007)
    with contextlib.suppress(
        OSError, ValueError
    ):  # a unit's system call filter may forbid it, and bound both
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY_BYTES, MOST_MEMORY_BYTES))
    with socket.socket(fileno=number) as connection:
        Porter(connection, Mark.opened(mark)).run()


if __name__ == "__main__":
    main()
