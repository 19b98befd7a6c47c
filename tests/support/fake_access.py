"""Access in memory: the second implementation of the `AccessDesk` protocol, for tests of the front doors."""

from __future__ import annotations

import os
from collections.abc import Sequence

from claudeflow.domain.caller import Caller
from claudeflow.domain.job import NewJob
from claudeflow.policy.access.admission import admission
from claudeflow.policy.access.grants import AccessBook, Grant, Standing


class FakeAccessDesk:
    """Tests put other grants into `book`."""

    def __init__(self) -> None:
        self.book = AccessBook((), os.geteuid())

    def grant(self, *grants: Grant) -> None:
        self.book = AccessBook(grants, own_uid=-1)

    def standing(self, caller: Caller) -> Standing:
        return self.book.standing(caller)

    def check(self, jobs: Sequence[NewJob], by: Standing) -> None:
        for job in jobs:
            refusal = admission(by, job.lane, job.workflow)
            if refusal is not None:
                raise refusal
