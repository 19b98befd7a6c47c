"""Claiming: chosen jobs are leased in the store, with what their calls can cost, before anything leaves."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from claudeflow.daemon.calls.choosing import Choice
from claudeflow.daemon.shared import Shared
from claudeflow.domain.job import Job
from claudeflow.store import claims as store


async def claim(shared: Shared, pool: str, choices: Sequence[Choice]) -> list[list[Job]]:
    """Lease the jobs of each choice and write its call, all in one commit.

    Jobs that are not to be had any more are left out. Raises StoreError.
    """
    now_ms = choices[0].reservation.at_ms
    claims = [_wish(choice, pool) for choice in choices]
    lease_until_ms = now_ms + int(shared.config.daemon.lease_s * 1000)
    return await shared.store.write(
        partial(
            store.claim, claims=claims, owner=shared.instance, lease_until_ms=lease_until_ms, now_ms=now_ms
        )
    )


def _wish(choice: Choice, pool: str) -> store.Claim:
    bound = choice.reservation.bound_nanousd
    if choice.offer is None:
        return store.Claim(choice.candidate, pool, bound)
    return store.Claim(choice.candidate, pool, bound, choice.others, choice.offer.stand_in.prefix)
