"""The desk for access: grants in force, and what their callers have used of them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from claudeflow.daemon.access.tokens import TokenKeeper
from claudeflow.daemon.shared import Shared
from claudeflow.domain.caller import Caller
from claudeflow.domain.door_events import CallerRefused
from claudeflow.domain.job import NewJob
from claudeflow.domain.token import Token
from claudeflow.intake.desks.access import NewToken, SentLately
from claudeflow.policy.access.admission import admission
from claudeflow.policy.access.grants import AccessBook, Grant, Standing
from claudeflow.policy.access.refusals import RefusalBook
from claudeflow.policy.access.usage import RateBook
from claudeflow.store import submitters
from claudeflow.store.submitters import Sender

TELL_EVERY_S = 15.0
"""How often refusals are looked through that were counted and not told."""


class StoreAccessDesk:
    """An `AccessDesk` over the store."""

    def __init__(self, shared: Shared, grants: Iterable[Grant]) -> None:
        self._shared = shared
        self._rates = RateBook()
        self._tokens = TokenKeeper(shared)
        self._book = AccessBook(grants, os.geteuid())
        self._refusals = RefusalBook()
        self.counts_refusals = asyncio.Event()

    def reconfigure(self, grants: Iterable[Grant]) -> None:
        """Other grants are in force from now on, for connections that exist as well."""
        self._book = AccessBook(grants, os.geteuid())

    def standing(self, caller: Caller) -> Standing:
        """Where a Unix user stands."""
        return self._book.standing(caller)

    async def standing_of_token(self, text: str) -> Standing:
        """Where the holder of a token stands. Raises Unauthenticated."""
        name, allowed = await self._tokens.recognised(text)
        return self._book.standing(Caller.of_token(name), allowed)

    async def tokens(self) -> list[Token]:
        """Every token ever made, the newest first."""
        return await self._tokens.tokens()

    async def create_token(self, wanted: NewToken) -> tuple[Token, str]:
        """A new token, and its text, which is shown this once. Raises Conflict."""
        return await self._tokens.create(wanted)

    async def revoke_token(self, name: str, who: str) -> Token:
        """The token of this name is good for nothing any more. Raises TokenNotFound."""
        return await self._tokens.revoke(name, who)

    def refused(self, refusal: CallerRefused) -> None:
        """Tell of a caller that was turned away; of many at once in few words."""
        told = self._refusals.note(refusal, self._shared.clock.monotonic())
        self.counts_refusals.set()
        if told is not None:
            self._shared.emit(told)

    async def tell_counted(self) -> None:
        """Tell of refusals that were counted, and forget callers that are quiet."""
        for told in self._refusals.due(self._shared.clock.monotonic()):
            self._shared.emit(told)
        if not len(self._refusals):
            self.counts_refusals.clear()

    async def used(self, standing: Standing) -> SentLately:
        """What the caller has used of its caps."""
        name, per_min = standing.caller.name, standing.caps.jobs_per_min
        work = partial(submitters.used, name=name, now_ms=self._shared.clock.epoch_ms())
        level = None
        if per_min is not None:
            level = self._rates.level(name, per_min, self._shared.clock.monotonic())
        return SentLately(await self._shared.store.read(work), level)

    @contextmanager
    def admitted(self, jobs: Sequence[NewJob], by: Standing | None) -> Iterator[Sender | None]:
        """Let the caller send these jobs, and count them unless that fails; None is claudeflow itself.

        Raises Forbidden, RateCapped. The caps that the store knows how to hold are those of the Sender.
        """
        if by is None:
            yield None
            return
        for lane, workflow in {(job.lane, job.workflow) for job in jobs}:
            refusal = admission(by, lane, workflow)
            if refusal is not None:
                raise refusal
        name, per_min = by.caller.name, by.caps.jobs_per_min
        sender = Sender(name, by.caps)
        if per_min is None:
            yield sender
            return
        refusal = self._rates.draw(name, len(jobs), per_min, self._shared.clock.monotonic())
        if refusal is not None:
            raise refusal
        try:
            yield sender
        except BaseException:
            self._rates.give_back(name, len(jobs))
            raise
