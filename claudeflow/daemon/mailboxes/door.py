"""The daemon's side of the porter: asks it, and begins a new one when it has died or hangs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from claudeflow.daemon.mailboxes.process import PorterProcess, start_porter
from claudeflow.domain.events import Emit
from claudeflow.domain.mailbox_events import PorterDied
from claudeflow.intake.mailbox.frames import Frames, pack
from claudeflow.intake.mailbox.trouble import MEND, MailboxTrouble

PATIENCE_S = 20.0
"""A porter that has answered nobody for so long hangs: a transaction takes 2 s at most."""
PIECE_BYTES = 1 << 20


class PorterDoor:
    """Asks the porter; it is started when somebody asks."""

    def __init__(self, emit: Emit, changed: Callable[[str], None], died: Callable[[], None]) -> None:
        """`changed` is told of a mailbox that others have written to, `died` that all are closed."""
        self._emit = emit
        self._changed = changed
        self._died = died
        self._porter: PorterProcess | None = None
        self._reading: asyncio.Task[None] | None = None
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._deadly: dict[str, str] = {}
        self._number = 0
        self._heard = 0
        self._starting = asyncio.Lock()

    async def ask(self, operation: str, name: str, **args: Any) -> Any:
        """What the porter answers. Raises MailboxTrouble for what it says, and for its death."""
        how = self._deadly.pop(name, None)
        if how is not None:
            raise _deadly(how)
        porter = await self._at_work()
        self._number += 1
        number, answered = self._number, asyncio.get_running_loop().create_future()
        self._asked[number] = answered
        try:
            porter.writer.write(pack({"n": number, "op": operation, "name": name, "args": args}))
            return await self._answer(porter, answered)
        finally:
            self._asked.pop(number, None)

    async def aclose(self) -> None:
        """Let the porter go."""
        porter, self._porter = self._porter, None
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
        if porter is not None:
            await porter.ended()
            porter.mark.close()

    async def _at_work(self) -> PorterProcess:
        async with self._starting:
            if self._porter is None:
                try:
                    self._porter = await start_porter()
                except OSError as problem:
                    reason = problem.strerror or type(problem).__name__
                    raise MailboxTrouble(
                        "no_porter",
                        f"no process could be started for mailboxes: {reason}",
                        "free memory or processes",
                    ) from problem
                self._reading = asyncio.create_task(self._read(self._porter), name="porter")
            return self._porter

    async def _answer(self, porter: PorterProcess, answered: asyncio.Future[Any]) -> Any:
        """Others are before it: the porter hangs only when it has answered nobody meanwhile."""
        while True:
            heard = self._heard
            done, _ = await asyncio.wait([answered], timeout=PATIENCE_S)
            if done:
                return answered.result()
            if self._heard == heard:
                porter.kill()

    async def _read(self, porter: PorterProcess) -> None:
        frames = Frames()
        with contextlib.suppress(ConnectionError):
            while received := await porter.reader.read(PIECE_BYTES):
                for message in frames.feed(received):
                    self._hear(message)
        await self._bury(porter)

    def _hear(self, message: dict[str, Any]) -> None:
        self._heard += 1
        for name in message.get("changed", ()):
            self._changed(name)
        answered = self._asked.get(message.get("n", 0))
        if answered is None or answered.done():
            return
        if "trouble" in message:
            answered.set_exception(MailboxTrouble(*message["trouble"]))
        else:
            answered.set_result(message["value"])

    async def _bury(self, porter: PorterProcess) -> None:
        """It is dead: who waits for it hears so, and the mailbox that it worked on is left alone."""
        self._porter = None
        how, suspect = await porter.ended(), porter.suspect()
        porter.mark.close()
        self._emit(PorterDied(suspect, how))
        if suspect:
            self._deadly[suspect] = how
        for answered in list(self._asked.values()):
            if not answered.done():
                answered.set_exception(_closed())
        self._died()


def _closed() -> MailboxTrouble:
    return MailboxTrouble("closed", "the process that had it open has ended", "nothing: it is opened anew")


def _deadly(how: str) -> MailboxTrouble:
    problem = f"a process died of it ({how}): a program has cut off or overwritten one of its files"
    return MailboxTrouble("deadly", problem, f"find that program; then {MEND}")
