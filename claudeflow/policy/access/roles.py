"""Roles, what each includes, and what the routes ask for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum


class Role(StrEnum):
    """What one may do, from the least to the most; `INCLUDES` says which brings which along."""

    READ = "read"
    SUBMIT = "submit"
    OPERATE = "operate"
    ADMIN = "admin"


INCLUDES: Mapping[Role, frozenset[Role]] = {
    Role.READ: frozenset({Role.READ}),
    Role.SUBMIT: frozenset({Role.SUBMIT}),
    Role.OPERATE: frozenset({Role.OPERATE, Role.READ}),
    Role.ADMIN: frozenset(Role),
}
"""An operator sees what it works on; an admin may do everything."""


class Need(StrEnum):
    """What a route asks of its caller."""

    NOTHING = "nothing"
    """Anybody who can connect, known or not."""
    NAME = "name"
    """Anybody who is known, whatever it may do."""
    READ = "read"
    SEE_JOBS = "see jobs"
    """`read`, or `submit` for one's own jobs."""
    SUBMIT = "submit"
    CANCEL_JOBS = "cancel jobs"
    """`operate`, or `submit` for one's own jobs."""
    OPERATE = "operate"
    ADMIN = "admin"


ENOUGH: Mapping[Need, frozenset[Role]] = {
    Need.READ: frozenset({Role.READ}),
    Need.SEE_JOBS: frozenset({Role.READ, Role.SUBMIT}),
    Need.SUBMIT: frozenset({Role.SUBMIT}),
    Need.CANCEL_JOBS: frozenset({Role.OPERATE, Role.SUBMIT}),
    Need.OPERATE: frozenset({Role.OPERATE}),
    Need.ADMIN: frozenset({Role.ADMIN}),
}
"""The roles of which one is enough, for every need but `NOTHING` and `NAME`."""

_WHOLE = {Need.SEE_JOBS: Role.READ, Need.CANCEL_JOBS: Role.OPERATE}


def all_of(roles: Iterable[Role]) -> frozenset[Role]:
    """The roles, with all that they include."""
    return frozenset(included for role in roles for included in INCLUDES[role])


def suffices(need: Need, roles: frozenset[Role]) -> bool:
    """Whether somebody of these roles (`all_of`) may ask for it at all."""
    enough = ENOUGH.get(need)
    return enough is None or not enough.isdisjoint(roles)


def only_own(need: Need, roles: frozenset[Role]) -> bool:
    """Whether it may be asked for one's own jobs alone."""
    whole = _WHOLE.get(need)
    return whole is not None and whole not in roles


def who_may(need: Need) -> str:
    """The roles to ask for, in words."""
    return " or ".join(role.value for role in Role if role in ENOUGH[need])
