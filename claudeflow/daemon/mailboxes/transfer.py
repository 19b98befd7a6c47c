"""What goes between a mailbox and the store: rows in, answers out.

The order of the steps is what makes a crash at any moment harmless. A row becomes a job in the commit that
also notes which row it was; only then is the row marked. An answer is written together with its receipt;
only then does the store note that it was. Whatever is done again after a crash finds that note or receipt.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from claudeflow.daemon.mailboxes.admission import NO_ROOM, Admission
from claudeflow.daemon.mailboxes.door import PorterDoor
from claudeflow.daemon.mailboxes.owed import Owed, Tell
from claudeflow.daemon.shared import Shared
from claudeflow.domain.caller import Caller
from claudeflow.domain.errors import InvalidJob, Mistake
from claudeflow.domain.job import JobId, NewJob
from claudeflow.domain.mailbox import InboxRow
from claudeflow.intake.mailbox.description import Description
from claudeflow.intake.mailbox.rows import answer_row, job_from_row, refusal, too_large
from claudeflow.intake.times import write_time
from claudeflow.policy.access.errors import Forbidden
from claudeflow.store import mailbox_jobs

ROWS_PER_ROUND = 64
BYTES_PER_ROUND = 4 * 1024 * 1024
"""A round takes no more, then it is the turn of other mailboxes."""
ENDS_PER_ROUND = 64
MOST_ENDED = 10_000
CLEAN_EVERY_S = 600.0
CLEAN_ROWS = 1_000
FULL_LANE_S = 2.0
"""So long the rows of a lane that takes no more stay where they are; then it is asked again."""
DAY_MS = 86_400_000


Asked = tuple[InboxRow, NewJob]


@dataclass(slots=True)
class _Found:
    """A round's rows: what each has become. Rows of full lanes are in none of these, and stay new."""

    accepted: list[tuple[int, str, int]] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)
    by_lane: defaultdict[str, list[tuple[InboxRow, NewJob]]] = field(
        default_factory=lambda: defaultdict(list)
    )


class Transfer:
    """One mailbox's. Raises MailboxTrouble and StoreError."""

    def __init__(
        self,
        shared: Shared,
        mailbox: Description,
        owner: Caller,
        *,
        door: PorterDoor,
        admission: Admission,
        owed: Owed,
    ) -> None:
        self.last_ms: int | None = None
        self.full_lanes: set[str] = set()
        self._shared = shared
        self._mailbox = mailbox
        self._owner = owner
        self._door = door
        self._admission = admission
        self._owed = owed
        self._ended: dict[JobId, None] = {}
        self._full_until = 0.0
        self._clean_at = 0.0
        self._after = 0

    @property
    def has_ends(self) -> bool:
        """Whether a job has ended whose answer is still to be written."""
        return bool(self._ended)

    async def begin(self, tell: Tell) -> None:
        """Whose answers are owed, as the store has it: jobs may have ended while the mailbox was closed."""
        store, uuid = self._shared.store, self._mailbox.uuid
        self._after = 0
        for job_id in await store.read(partial(mailbox_jobs.owed, mailbox=uuid)):
            self._owed.add(job_id, self._mailbox.name, tell)
        await self._look_for_ends()

    def job_ended(self, job_id: JobId) -> None:
        """A job has ended whose answer is owed."""
        self._ended[job_id] = None

    async def deliver(self) -> None:
        """Write answers of jobs that have ended."""
        chosen = list(self._ended)[:ENDS_PER_ROUND]
        if not chosen:
            return
        store, uuid, name = self._shared.store, self._mailbox.uuid, self._mailbox.name
        work = partial(mailbox_jobs.ended, mailbox=uuid, wanted=chosen, most_bytes=BYTES_PER_ROUND)
        ends = await store.read(work)
        if ends.found:
            await self._door.ask("deliver", name, rows=[answer_row(end) for end in ends.found])
            now_ms = self._shared.clock.epoch_ms()
            rows = [end.row for end in ends.found]
            await store.write(partial(mailbox_jobs.written, mailbox=uuid, rows=rows, now_ms=now_ms))
            self.last_ms = now_ms
        for job_id in ends.looked_at:
            self._ended.pop(job_id, None)
        for end in ends.found:
            self._owed.done(end.job_id, name)

    async def take_in(self, tell: Tell) -> bool:
        """Make jobs of the next new rows; whether there may be more."""
        now = self._shared.clock.monotonic()
        if self.full_lanes and now >= self._full_until:
            self.full_lanes.clear()
            self._after = 0
        taken = await self._door.ask(
            "take",
            self._mailbox.name,
            after=self._after,
            blocked_lanes=sorted(self.full_lanes),
            default_lane=self._mailbox.lanes[0],
            limit=ROWS_PER_ROUND,
            most_bytes=BYTES_PER_ROUND,
        )
        if taken["rows"] or taken["large"]:
            await self._take(taken, tell)
        self._after = taken["last"] if taken["more"] else 0
        return bool(taken["more"])

    async def clean(self) -> None:
        """Now and then: delete what is done and old, and look whether an end was missed."""
        now, now_ms = self._shared.clock.monotonic(), self._shared.clock.epoch_ms()
        if now < self._clean_at:
            return
        before_ms = now_ms - self._mailbox.keep_days * DAY_MS
        gone = await self._door.ask(
            "clean", self._mailbox.name, before=write_time(before_ms), limit=CLEAN_ROWS
        )
        self._clean_at = now + (0.0 if gone >= CLEAN_ROWS else CLEAN_EVERY_S)
        await self._look_for_ends()

    async def _look_for_ends(self) -> None:
        work = partial(mailbox_jobs.owed_and_ended, mailbox=self._mailbox.uuid, limit=MOST_ENDED)
        self._ended |= dict.fromkeys(await self._shared.store.read(work))

    async def _take(self, taken: Mapping[str, Any], tell: Tell) -> None:
        found = _Found()
        limit = too_large(self._mailbox.max_row_bytes)
        for row_id, nonce in taken["large"]:
            found.refused.append(refusal(InboxRow(row_id, nonce), limit, is_large=True))
        known = await self._admission.known(self._mailbox, [_origin(row) for row in taken["rows"]])
        self._accept(found, known.items(), tell)
        self._ended |= dict.fromkeys(known.values())
        await self._read_rows([row for row in taken["rows"] if _origin(row) not in known], found)
        for lane, pairs in found.by_lane.items():
            await self._admit(lane, pairs, found, tell)
        if found.accepted or found.refused:
            now_ms = self._shared.clock.epoch_ms()
            args = {"accepted": found.accepted, "refused": found.refused, "at": write_time(now_ms)}
            await self._door.ask("settle", self._mailbox.name, **args)
            self.last_ms = now_ms

    async def _read_rows(self, rows: Iterable[Mapping[str, Any]], found: _Found) -> None:
        """Check each row by itself; others have their turn in between."""
        catalog, now_ms = self._admission.catalog, self._shared.clock.epoch_ms()
        for row in rows:
            await asyncio.sleep(0)
            try:
                job = job_from_row(row, self._mailbox, catalog, now_ms)
            except InvalidJob as wrong:
                found.refused.append(refusal(_origin(row), wrong.mistakes))
            else:
                found.by_lane[job.lane].append((_origin(row), job))

    async def _admit(self, lane: str, pairs: Sequence[Asked], found: _Found, tell: Tell) -> None:
        """As many as the lane has room for, the first ones first."""
        size = len(pairs)
        while pairs:
            some = pairs[:size]
            rows, jobs = [row for row, _ in some], [job for _, job in some]
            try:
                stored = await self._admission.admit(self._mailbox, self._owner, rows, jobs)
            except Forbidden as refused:
                mistakes = [Mistake("", str(refused))]
                found.refused += [refusal(row, mistakes, code=refused.code) for row in rows]
            except NO_ROOM:
                if size == 1:
                    self.full_lanes.add(lane)
                    self._full_until = self._shared.clock.monotonic() + FULL_LANE_S
                    return
                size //= 2
                continue
            else:
                self._accept(found, [(row, one.id) for row, one in zip(rows, stored, strict=True)], tell)
                self._ended |= {one.id: None for one in stored if not one.created}
            pairs = pairs[size:]

    def _accept(self, found: _Found, pairs: Iterable[tuple[InboxRow, JobId]], tell: Tell) -> None:
        for row, job_id in pairs:
            found.accepted.append((row.id, row.nonce, job_id))
            self._owed.add(job_id, self._mailbox.name, tell)


def _origin(row: Mapping[str, Any]) -> InboxRow:
    return InboxRow(row["id"], row["nonce"])
