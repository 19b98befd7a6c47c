"""Admission: the one place where rows of mailboxes become jobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from claudeflow.daemon.desks.access import StoreAccessDesk
from claudeflow.daemon.desks.submitting import Submitter
from claudeflow.daemon.shared import Shared
from claudeflow.domain.caller import Caller
from claudeflow.domain.door_events import CallerRefused
from claudeflow.domain.errors import QueueFull
from claudeflow.domain.job import JobId, NewJob
from claudeflow.domain.mailbox import InboxRow
from claudeflow.intake.catalog import Catalog
from claudeflow.intake.desks.receipts import Submitted
from claudeflow.intake.mailbox.description import Description
from claudeflow.policy.access.errors import Forbidden, RateCapped, SpendCapped, TooManyJobs
from claudeflow.store import mailbox_jobs
from claudeflow.store.database import Work
from claudeflow.store.jobs import Accepted

NO_ROOM = (QueueFull, TooManyJobs, RateCapped, SpendCapped)
"""Not now: rows are not refused for these, they wait."""


class Admission:
    """Stores jobs together with the rows that asked for them: each row becomes one job, whatever happens."""

    def __init__(
        self,
        shared: Shared,
        submitter: Submitter,
        access: StoreAccessDesk,
        catalog: Callable[[], Catalog],
    ) -> None:
        self._shared = shared
        self._access = access
        self._submitter = submitter
        self._catalog = catalog

    @property
    def catalog(self) -> Catalog:
        """What can be asked for now."""
        return self._catalog()

    async def known(self, mailbox: Description, rows: Sequence[InboxRow]) -> dict[InboxRow, JobId]:
        """The rows that are jobs already: an earlier daemon, or an earlier round, did not come to say so.

        One that has had its answer is owed it again: its mailbox was put back to an earlier state.
        """
        store = self._shared.store
        found = await store.read(partial(mailbox_jobs.known, mailbox=mailbox.uuid, rows=rows))
        if found:
            await store.write(partial(mailbox_jobs.owe_again, mailbox=mailbox.uuid, rows=list(found)))
        return found

    async def admit(
        self, mailbox: Description, owner: Caller, rows: Sequence[InboxRow], jobs: Sequence[NewJob]
    ) -> list[Submitted]:
        """Store new rows' jobs, all or none, as far as the mailbox's owner may send them.

        Raises Forbidden, and those of NO_ROOM: then the rows stay where they are.
        """
        note = partial(
            mailbox_jobs.note, mailbox=mailbox.uuid, rows=rows, now_ms=self._shared.clock.epoch_ms()
        )

        def within(submit: Work[list[Accepted]]) -> Work[list[Accepted]]:
            return partial(mailbox_jobs.submit_and_note, submit=submit, note=note)

        try:
            return await self._submitter.submit(jobs, self._access.standing(owner), within)
        except Forbidden as refusal:
            route = f"mailbox {mailbox.name}"
            self._access.refused(
                CallerRefused(owner.name, "mailbox", None, route, refusal.code, times=len(rows))
            )
            raise
