"""Access in memory: the second implementation of the `AccessDesk` protocol, for tests of the front doors."""

from __future__ import annotations

import os
from collections.abc import Sequence

from claudeflow.domain.caller import Caller
from claudeflow.domain.job import NewJob
from claudeflow.intake.desks.access import SentLately
from claudeflow.policy.access.admission import admission
from claudeflow.policy.access.grants import AccessBook, Grant, Standing
from claudeflow.policy.access.usage import Used


class FakeAccessDesk:
    """Tests put other grants into `book`."""

    def __init__(self) -> None:
        self.book = AccessBook((), os.geteuid())
        self.lately = SentLately(Used(queued=3, cost_nanousd=5), 7.9)

    def grant(self, *grants: Grant) -> None:
        self.book = AccessBook(grants, own_uid=-1)

    def standing(self, caller: Caller) -> Standing:
        return self.book.standing(caller)

    async def used(self, standing: Standing) -> SentLately:
        return self.lately

    def check(self, jobs: Sequence[NewJob], by: Standing) -> None:
        for job in jobs:
            refusal = admission(by, job.lane, job.workflow)
            if refusal is not None:
                raise refusal
