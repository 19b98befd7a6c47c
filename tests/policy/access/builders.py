"""Callers and grants in short."""

from __future__ import annotations

from typing import Any

from claudeflow.domain.caller import Caller
from claudeflow.policy.access.grants import AccessBook, Grant, Grantee, Standing
from claudeflow.policy.access.settings import GrantSettings

OWN_UID = 900
ALICE = Caller("alice", 1001, 1001, 4711, frozenset({1001, 50}))
CI = Caller.of_token("ci")


def a_grant(to: str = "user:alice", number: int | None = 1001, **settings: Any) -> Grant:
    kind, _, name = to.partition(":")
    grantee = Grantee.parse(to)
    return Grant(
        Grantee(grantee.kind, name, number if kind in ("user", "group") else None), GrantSettings(**settings)
    )


def standing_of(caller: Caller, *grants: Grant, own_grant: GrantSettings | None = None) -> Standing:
    return AccessBook(grants, OWN_UID).standing(caller, own_grant)
