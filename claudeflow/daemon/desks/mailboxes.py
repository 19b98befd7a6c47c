"""The desk for mailboxes, over who serves them, or over their descriptions when nobody does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from claudeflow.daemon.mailboxes.attendant import Attendant, remedy_for
from claudeflow.daemon.mailboxes.keeper import MailboxKeeper
from claudeflow.daemon.mailboxes.shelf import Found, look
from claudeflow.daemon.shared import Shared
from claudeflow.domain.errors import MailboxNotFound
from claudeflow.domain.report import MailboxesStatus, MailboxInTrouble
from claudeflow.intake.desks.mailboxes import MailboxReport
from claudeflow.store import mailbox_jobs


class StoreMailboxDesk:
    """A `MailboxDesk`."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._keeper: MailboxKeeper | None = None

    def use(self, keeper: MailboxKeeper) -> None:
        """Mailboxes are served from now on."""
        self._keeper = keeper

    async def report(self) -> tuple[MailboxReport, ...]:
        """Every mailbox, by name."""
        owed = await self._shared.store.read(mailbox_jobs.owed_counts)
        if self._keeper is None:
            found = await self._on_disk()
            served = [
                MailboxReport(name, "offline", mailbox, owed=owed.get(mailbox.uuid, 0))
                for name, (_, mailbox) in found.mailboxes.items()
            ]
        else:
            found = self._keeper.found
            attendants = list(self._keeper.attendants)
            waiting = await asyncio.gather(*(one.waiting() for one in attendants))
            pairs = zip(attendants, waiting, strict=True)
            served = [_report(one, count, owed) for one, count in pairs]
        return tuple(sorted([*served, *_wrong(found)], key=lambda row: row.name))

    def standing(self) -> MailboxesStatus:
        """How many are served, and who is in trouble that was told; nobody is asked anything."""
        keeper = self._keeper
        if keeper is None:
            return MailboxesStatus()
        found, attendants = keeper.found, list(keeper.attendants)
        troubled = [one for one in attendants if one.circuit.told and one.circuit.trouble]
        serving = sum(one.is_open for one in attendants if one not in troubled)
        rows = [_report(one, None, {}) for one in troubled] + _wrong(found)
        trouble = [
            MailboxInTrouble(row.name, row.code or "", row.problem or "", row.remedy or "")
            for row in sorted(rows, key=lambda row: row.name)
        ]
        if found.problem:
            folder = self._shared.config.mailboxes.folder
            trouble.insert(0, MailboxInTrouble(folder, "folder", found.problem, "mend that folder"))
        return MailboxesStatus(serving, tuple(trouble))

    async def one(self, name: str) -> MailboxReport:
        """One mailbox. Raises MailboxNotFound."""
        for row in await self.report():
            if row.name == name:
                return row
        raise MailboxNotFound(f"no mailbox is named {name}; `claudeflow mailbox list` names those that are")

    async def _on_disk(self) -> Found:
        folder = self._shared.config.mailboxes.folder
        return await asyncio.to_thread(look, Path(folder), Found()) if folder else Found()


def _report(one: Attendant, waiting: int | None, owed: Mapping[str, int]) -> MailboxReport:
    trouble = one.circuit.trouble
    state = "trouble" if trouble else "serving" if one.is_open else "opening"
    return MailboxReport(
        one.mailbox.name,
        "full" if state == "serving" and one.transfer.full_lanes else state,
        one.mailbox,
        waiting=waiting,
        owed=owed.get(one.mailbox.uuid, 0),
        last_transfer_ms=one.transfer.last_ms,
        code=trouble.code if trouble else None,
        problem=trouble.problem if trouble else None,
        remedy=remedy_for(trouble, one.mailbox.name) if trouble else None,
    )


def _wrong(found: Found) -> list[MailboxReport]:
    return [
        MailboxReport(name, "trouble", None, code="description", problem=why, remedy="mend that file")
        for name, why in found.wrong.items()
    ]
