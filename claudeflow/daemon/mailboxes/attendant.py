"""The attendant of one mailbox: round after round, and a pause when it makes trouble."""

from __future__ import annotations

import asyncio
import contextlib

from claudeflow.daemon.mailboxes.door import PorterDoor
from claudeflow.daemon.mailboxes.transfer import FULL_LANE_S, Transfer
from claudeflow.daemon.shared import Shared
from claudeflow.domain.errors import StoreError
from claudeflow.domain.events import OwnTrouble
from claudeflow.domain.job import JobId
from claudeflow.domain.mailbox_events import MailboxMended, MailboxTroubled
from claudeflow.intake.mailbox.circuit import Circuit
from claudeflow.intake.mailbox.description import Description
from claudeflow.intake.mailbox.trouble import MailboxTrouble

LOOK_AGAIN_S = 60.0
"""So often a mailbox is looked at although nobody has said that anything happened."""
STORE_TROUBLE_S = 1.0


class Attendant:
    """Serves one mailbox until cancelled."""

    def __init__(
        self, shared: Shared, mailbox: Description, folder: str, door: PorterDoor, transfer: Transfer
    ) -> None:
        self.mailbox = mailbox
        self.circuit = Circuit()
        self.transfer = transfer
        self.is_open = False
        self._shared = shared
        self._folder = folder
        self._door = door
        self._wake = asyncio.Event()

    async def run(self, turns: asyncio.Semaphore) -> None:
        """Whenever there is something to do. `turns`: so many have a round at once, the first comer first."""
        while True:
            self._wake.clear()
            async with turns:
                pause_s = await self._round()
            if self.circuit.trouble is not None:
                await asyncio.sleep(pause_s)  # whatever is written meanwhile
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._wake.wait()

    def wake(self) -> None:
        """Something was written to the mailbox."""
        self._wake.set()

    def job_ended(self, job_id: JobId) -> None:
        """A job has ended whose answer is owed."""
        self.transfer.job_ended(job_id)
        self._wake.set()

    def closed(self) -> None:
        """The porter is gone: open the mailbox again."""
        self.is_open = False
        self._wake.set()

    async def waiting(self) -> int | None:
        """How many rows are new, counted up to 10,000; None when nobody can say."""
        if not self.is_open or self.circuit.trouble is not None:
            return None
        try:
            count: int = await self._door.ask("waiting", self.mailbox.name)
        except MailboxTrouble:
            return None
        return count

    async def close(self) -> None:
        """Let the file go."""
        self.is_open = False
        with contextlib.suppress(MailboxTrouble):
            await self._door.ask("close", self.mailbox.name)

    async def _round(self) -> float:
        """One round; how long to wait for something to happen."""
        try:
            await self._open()
            await self.transfer.deliver()
            more = await self.transfer.take_in(self.job_ended)
            await self.transfer.clean()
        except MailboxTrouble as trouble:
            return await self._leave_alone(trouble)
        except StoreError as problem:
            self._shared.emit(OwnTrouble("mailboxes", str(problem)))
            self.wake()
            return await asyncio.sleep(STORE_TROUBLE_S, 0.0)
        except Exception as problem:  # noqa: BLE001 - one mailbox must not end all others
            self._shared.emit(
                OwnTrouble("mailboxes", f"{self.mailbox.name}: a bug: {type(problem).__name__}")
            )
            await asyncio.sleep(STORE_TROUBLE_S)
            return LOOK_AGAIN_S
        if self.circuit.worked():
            self._shared.emit(MailboxMended(self.mailbox.name))
        if more or self.transfer.has_ends:
            return 0.0
        return FULL_LANE_S if self.transfer.full_lanes else LOOK_AGAIN_S

    async def _open(self) -> None:
        if self.is_open:
            return
        mailbox = self.mailbox
        args = {"folder": self._folder, "uuid": mailbox.uuid, "max_row_bytes": mailbox.max_row_bytes}
        await self._door.ask("open", mailbox.name, **args)
        self.is_open = True
        await self.transfer.begin(self.job_ended)

    async def _leave_alone(self, trouble: MailboxTrouble) -> float:
        """How long; and tell whoever can help, once for each kind of trouble."""
        now = self._shared.clock.monotonic()
        pause_s = self.circuit.failed(trouble, now)
        if self.circuit.has_news(now):
            name = self.mailbox.name
            self._shared.emit(MailboxTroubled(name, trouble.code, trouble.problem, remedy_for(trouble, name)))
        if trouble.code != "locked" and self.is_open:
            await self.close()
        return pause_s


def remedy_for(trouble: MailboxTrouble, name: str) -> str:
    """The way out, for this mailbox."""
    return trouble.remedy.replace("NAME", name)
