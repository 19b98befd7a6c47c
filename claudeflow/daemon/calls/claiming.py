"""Claiming: chosen jobs are leased in the store, with what their calls can cost, before anything leaves."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from claudeflow.daemon.calls.choosing import Choice
from claudeflow.daemon.shared import Shared
from claudeflow.domain.job import Job
from claudeflow.store import jobs as store


async def claim(shared: Shared, pool: str, choices: Sequence[Choice]) -> list[Job | None]:
    """Lease each job and write its call, all in one commit; None where a job is not to be had any more.

    Raises StoreError.
    """
    now_ms = choices[0].reservation.at_ms
    claims = [store.Claim(choice.candidate, pool, choice.reservation.bound_nanousd) for choice in choices]
    lease_until_ms = now_ms + int(shared.config.daemon.lease_s * 1000)
    return await shared.store.write(
        partial(
            store.claim, claims=claims, owner=shared.instance, lease_until_ms=lease_until_ms, now_ms=now_ms
        )
    )
