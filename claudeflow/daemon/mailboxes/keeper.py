"""The keeper of mailboxes: takes up new ones, lets removed ones go, and hands out turns."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from claudeflow.daemon.mailboxes.admission import Admission
from claudeflow.daemon.mailboxes.attendant import Attendant
from claudeflow.daemon.mailboxes.door import PorterDoor
from claudeflow.daemon.mailboxes.owed import Owed
from claudeflow.daemon.mailboxes.shelf import Found, Stamp, caller_of, look
from claudeflow.daemon.mailboxes.transfer import DAY_MS, Transfer
from claudeflow.daemon.shared import Shared
from claudeflow.domain.errors import StoreError
from claudeflow.domain.events import OwnTrouble
from claudeflow.domain.mailbox_events import MailboxGone, MailboxTakenUp, MailboxTroubled
from claudeflow.intake.mailbox.description import MOST_KEEP_DAYS, Description
from claudeflow.store import mailbox_jobs

LOOK_EVERY_S = 1.0
FORGET_EVERY_S = 3600.0
FORGET_ROWS = 10_000
TURNS = 8
"""So many mailboxes have a round at once: what they hold in memory is bounded."""


@dataclass(frozen=True, slots=True)
class _Served:
    stamp: Stamp
    attendant: Attendant
    task: asyncio.Task[None]


class MailboxKeeper:
    """Serves the mailboxes of one folder until cancelled."""

    def __init__(self, shared: Shared, admission: Admission) -> None:
        self.owed = Owed()
        self.found = Found()
        self._shared = shared
        self._admission = admission
        self._door = PorterDoor(shared.emit, self._changed, self._porter_died)
        self._served: dict[str, _Served] = {}
        self._turns = asyncio.Semaphore(TURNS)
        self._folder = shared.config.mailboxes.folder
        self._forget_at = 0.0

    @property
    def attendants(self) -> Iterable[Attendant]:
        """One for each mailbox that is served."""
        return [served.attendant for served in self._served.values()]

    async def run(self) -> None:
        """Look at the folder again and again."""
        if not self._folder:
            return
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    await self._look_and_forget(group)
                    await asyncio.sleep(LOOK_EVERY_S)
        finally:
            await self._door.aclose()

    async def _look_and_forget(self, group: asyncio.TaskGroup) -> None:
        try:
            await self._look(group)
            await self._forget()
        except Exception as problem:  # noqa: BLE001 - mailboxes must not end the daemon
            self._shared.emit(OwnTrouble("mailboxes", f"a bug: {type(problem).__name__}"))

    def _changed(self, name: str) -> None:
        if name in self._served:
            self._served[name].attendant.wake()

    def _porter_died(self) -> None:
        for attendant in self.attendants:
            attendant.closed()

    async def _look(self, group: asyncio.TaskGroup) -> None:
        before = self.found
        found = self.found = await asyncio.to_thread(look, Path(self._folder), before)
        if found.problem:
            if found.problem != before.problem:
                self._shared.emit(OwnTrouble("mailboxes", found.problem))
            self.found = Found(before.mailboxes, before.wrong, found.problem)
            return
        for name, why in found.wrong.items():
            if before.wrong.get(name) != why:
                self._shared.emit(MailboxTroubled(name, "description", why, "mend that file"))
        for name in [name for name in self._served if self._is_outdated(name, found)]:
            await self._let_go(name, is_gone=name not in found.mailboxes)
        for name, (stamp, mailbox) in found.mailboxes.items():
            if name not in self._served:
                await self._take_up(group, stamp, mailbox)

    def _is_outdated(self, name: str, found: Found) -> bool:
        return name not in found.mailboxes or found.mailboxes[name][0] != self._served[name].stamp

    async def _take_up(self, group: asyncio.TaskGroup, stamp: Stamp, mailbox: Description) -> None:
        shared, door = self._shared, self._door
        owner = await asyncio.to_thread(caller_of, mailbox.owner)
        transfer = Transfer(shared, mailbox, owner, door=door, admission=self._admission, owed=self.owed)
        attendant = Attendant(shared, mailbox, self._folder, door, transfer)
        task = group.create_task(attendant.run(self._turns), name=f"mailbox-{mailbox.name}")
        self._served[mailbox.name] = _Served(stamp, attendant, task)
        shared.emit(MailboxTakenUp(mailbox.name, mailbox.owner, mailbox.workflow))

    async def _let_go(self, name: str, *, is_gone: bool) -> None:
        served = self._served.pop(name)
        served.task.cancel()
        await asyncio.wait([served.task])
        await served.attendant.close()
        self.owed.forget(name)
        if is_gone:
            self._shared.emit(MailboxGone(name))

    async def _forget(self) -> None:
        """Now and then: drop notes about rows that no mailbox has any more."""
        shared, now = self._shared, self._shared.clock.monotonic()
        if now < self._forget_at:
            return
        days = [mailbox.keep_days for _, mailbox in self.found.mailboxes.values()]
        before_ms = shared.clock.epoch_ms() - 2 * max(days, default=MOST_KEEP_DAYS) * DAY_MS
        try:
            await shared.store.write(partial(mailbox_jobs.forget, before_ms=before_ms, limit=FORGET_ROWS))
        except StoreError as problem:
            shared.emit(OwnTrouble("mailboxes", str(problem)))
        self._forget_at = now + FORGET_EVERY_S
