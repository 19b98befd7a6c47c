"""The desk for access: grants in force."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from claudeflow.domain.caller import Caller
from claudeflow.domain.job import NewJob
from claudeflow.policy.access.admission import admission
from claudeflow.policy.access.grants import AccessBook, Grant, Standing


class StoreAccessDesk:
    """An `AccessDesk` that people and their scripts work at."""

    def __init__(self, grants: Iterable[Grant]) -> None:
        self._book = AccessBook(grants, os.geteuid())

    def reconfigure(self, grants: Iterable[Grant]) -> None:
        """Other grants are in force from now on, for connections that exist as well."""
        self._book = AccessBook(grants, os.geteuid())

    def standing(self, caller: Caller) -> Standing:
        """Where a Unix user stands."""
        return self._book.standing(caller)

    def check(self, jobs: Sequence[NewJob], by: Standing) -> None:
        """Whether the caller may send these jobs. Raises Forbidden."""
        for lane, workflow in {(job.lane, job.workflow) for job in jobs}:
            refusal = admission(by, lane, workflow)
            if refusal is not None:
                raise refusal
